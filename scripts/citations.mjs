/**
 * Which tests say of themselves what they prove: a requirement of spec/requirements.ts by `// spec: ID, ID`, what comes
 * of a call of libnbd (spec/libnbd.ts) by `// libnbd: CALL, CALL`. It is a line of its own, right above the test or
 * above a row of the table that the test is given. A comment that stands anywhere else is no citation but an error, so
 * that none can outlive its test.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'

/**
 * @typedef {object} Citation
 * @property {string} id
 * @property {string} path From the root of the repository.
 */

/**
 * @typedef {object} Citations
 * @property {readonly Citation[]} citations
 * @property {readonly string[]} strays What looks like a citation and is none: `path:line: why`.
 */

/** @typedef {'spec' | 'libnbd'} Kind The word that a citation begins with. */

/**
 * How each kind is read: whatever may be meant as one, and one.
 *
 * @type {Readonly<Record<Kind, { readonly attempt: RegExp, readonly citation: RegExp, readonly form: string }>>}
 */
const kinds = {
  spec: {
    attempt: /^[ \t]*\/[/*]+[ \t]*spec\b.*$/gim,
    citation: /^\/\/ spec: ([^ ,]+(?:, [^ ,]+)*)$/,
    form: '// spec: ID, ID',
  },
  libnbd: {
    // Others speak of libnbd too.
    attempt: /^[ \t]*\/[/*]+[ \t]*libnbd(?:[ \t]*:|[ \t]+nbd_).*$/gim,
    citation: /^\/\/ libnbd: ([^ ,]+(?:, [^ ,]+)*)$/,
    form: '// libnbd: CALL, CALL',
  },
}

/**
 * The citations of one kind in all tests of the repository.
 *
 * @param {string} repository Its root.
 * @param {Kind} kind
 * @returns {Citations}
 */
export function readCitations(repository, kind) {
  const found = testFiles(repository).map((path) =>
    citationsIn(path, readFileSync(join(repository, path), 'utf8'), kind),
  )
  return {
    citations: found.flatMap(({ citations }) => citations),
    strays: found.flatMap(({ strays }) => strays),
  }
}

/**
 * The citations of one kind in one file.
 *
 * @param {string} path
 * @param {string} text
 * @param {Kind} kind
 * @returns {Citations}
 */
export function citationsIn(path, text, kind) {
  const { attempt: pattern, citation, form } = kinds[kind]
  const attempts = [...text.matchAll(pattern)]
  if (attempts.length === 0) return { citations: [], strays: [] }
  const proved = path.endsWith('.test.ts') ? commentsAboveTests(path, text) : new Set()
  const citations = []
  const strays = []
  for (const attempt of attempts) {
    const comment = attempt[0].trim()
    const at = attempt.index + attempt[0].indexOf(comment)
    const ids = citation.exec(comment)?.[1]?.split(', ')
    const where = `${path}:${text.slice(0, at).split('\n').length}`
    if (ids === undefined) strays.push(`${where}: expected \`${form}\`, found \`${comment}\``)
    else if (!proved.has(at))
      strays.push(`${where}: stands above no test, and above no row of a test's table`)
    else citations.push(...ids.map((id) => ({ id, path })))
  }
  return { citations, strays }
}

/** @param {string} repository */
function testFiles(repository) {
  const packages = readdirSync(join(repository, 'packages')).map((name) => `packages/${name}/test`)
  const folders = [...packages, 'tests'].filter((folder) => existsSync(join(repository, folder)))
  return folders.flatMap((folder) => sourcesIn(repository, folder)).sort()
}

/**
 * @param {string} repository
 * @param {string} folder
 */
function sourcesIn(repository, folder) {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
}

/**
 * Where in `text` the comments begin that stand above a test or a row.
 *
 * @param {string} path
 * @param {string} text
 * @returns {ReadonlySet<number>}
 */
function commentsAboveTests(path, text) {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true)
  const tables = tablesOf(tree)
  /** @type {Set<number>} */
  const positions = new Set()
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (isSkipped(node)) return
    if (isTest(node) || isRow(node, tables)) {
      for (const { pos } of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) positions.add(pos)
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return positions
}

/**
 * The names of the tables that a test of the file is given.
 *
 * @param {ts.SourceFile} tree
 * @returns {ReadonlySet<string>}
 */
function tablesOf(tree) {
  /** @type {Set<string>} */
  const names = new Set()
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (isSkipped(node)) return
    if (isEach(node)) for (const name of namesIn(node.arguments)) names.add(name)
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return names
}

/** @param {readonly ts.Node[]} nodes */
function namesIn(nodes) {
  /** @type {string[]} */
  const names = []
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isIdentifier(node)) names.push(node.text)
    ts.forEachChild(node, visit)
  }
  nodes.forEach(visit)
  return names
}

/**
 * A statement `test(…)` or `test.each(…)(…)`.
 *
 * @param {ts.Node} node
 */
function isTest(node) {
  if (!ts.isExpressionStatement(node) || !ts.isCallExpression(node.expression)) return false
  const { expression: callee } = node.expression
  return isTestFunction(callee) || isEach(callee)
}

/**
 * `test.each(…)`.
 *
 * @param {ts.Node} node
 * @returns {node is ts.CallExpression}
 */
function isEach(node) {
  if (!ts.isCallExpression(node)) return false
  const { expression } = node
  return (
    ts.isPropertyAccessExpression(expression) &&
    expression.name.text === 'each' &&
    isTestFunction(expression.expression)
  )
}

/** @param {ts.Node} node */
function isTestFunction(node) {
  return ts.isIdentifier(node) && (node.text === 'test' || node.text === 'it')
}

/**
 * What does not run, or only pretends to.
 *
 * @param {ts.Node} node
 */
function isSkipped(node) {
  if (!ts.isCallExpression(node)) return false
  const words = wordsOf(node.expression)
  return ['xdescribe', 'xit', 'xtest'].includes(words[0] ?? '') || words.includes('skip')
}

/**
 * `describe.skip.each(…)` as its words.
 *
 * @param {ts.Node} node
 * @returns {readonly string[]}
 */
function wordsOf(node) {
  if (ts.isIdentifier(node)) return [node.text]
  if (ts.isPropertyAccessExpression(node)) return [...wordsOf(node.expression), node.name.text]
  return ts.isCallExpression(node) ? wordsOf(node.expression) : []
}

/**
 * An element of a table, whether it is an array or an object. One inside of a function is none.
 *
 * @param {ts.Node} node
 * @param {ReadonlySet<string>} tables
 */
function isRow(node, tables) {
  if (!ts.isPropertyAssignment(node) && !ts.isArrayLiteralExpression(node.parent ?? node)) return false
  for (let at = node; at.parent !== undefined && !ts.isFunctionLike(at); at = at.parent) {
    if (ts.isVariableDeclaration(at)) return ts.isIdentifier(at.name) && tables.has(at.name.text)
    if (isEach(at.parent) && at.parent.arguments.some((argument) => argument === at)) return true
  }
  return false
}
