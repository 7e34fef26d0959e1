/** The imports and names of the source files, from their syntax trees. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const repository: string = fileURLToPath(new URL('../..', import.meta.url))

export interface SourceFile {
  /** From the root of the repository: `packages/core/src/errors.ts`. */
  readonly path: string
  /** Its imports, imports of types included. A relative import is resolved to the path of the file. */
  readonly imports: readonly string[]
  /** Its identifiers, and `async` and `await` if it uses them. */
  readonly names: ReadonlySet<string>
  readonly text: string
}

export const packageNames: readonly string[] = readdirSync(join(repository, 'packages')).sort()

/**
 * Reads the files of a folder and of those below it.
 *
 * @throws {Error} if there is none: a rule for no file always holds.
 */
export const filesIn = (folder: string, ending: '.ts' | '.js' | '.d.ts'): readonly SourceFile[] => {
  const paths = readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
  if (paths.length === 0) throw new Error(`There is no ${ending} in ${folder}: \`npm run build\` makes it.`)
  return paths.map(readSource)
}

export const readSource = (path: string): SourceFile =>
  parseSource(path, readFileSync(join(repository, path), 'utf8'))

export const parseSource = (path: string, text: string): SourceFile => {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext)
  const imports: string[] = []
  const names = new Set<string>()
  const visit = (node: ts.Node): void => {
    const specifier = importedBy(node)
    if (specifier !== undefined) imports.push(resolve(path, specifier))
    if (ts.isIdentifier(node)) names.add(node.text)
    if (node.kind === ts.SyntaxKind.AsyncKeyword) names.add('async')
    if (node.kind === ts.SyntaxKind.AwaitExpression) names.add('await')
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return { path, imports, names, text }
}

/** The circles of imports between files: `a.ts -> b.ts -> a.ts`. */
export const circlesIn = (files: readonly SourceFile[]): readonly string[] => {
  const importsOf = new Map(files.map(({ path, imports }) => [path, imports]))
  const circles: string[] = []
  const finished = new Set<string>()
  const visit = (path: string, above: readonly string[]): void => {
    if (above.includes(path)) circles.push([...above.slice(above.indexOf(path)), path].join(' -> '))
    if (finished.has(path) || above.includes(path)) return
    for (const next of importsOf.get(path) ?? []) visit(next, [...above, path])
    finished.add(path)
  }
  for (const { path } of files) visit(path, [])
  return circles
}

const importedBy = (node: ts.Node): string | undefined => {
  const literal = importLiteral(node)
  return literal !== undefined && ts.isStringLiteralLike(literal) ? literal.text : undefined
}

const importLiteral = (node: ts.Node): ts.Node | undefined => {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier
  if (ts.isImportTypeNode(node))
    return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined
  if (!ts.isCallExpression(node)) return undefined
  const { expression } = node
  const isImport = expression.kind === ts.SyntaxKind.ImportKeyword
  const isRequire = ts.isIdentifier(expression) && expression.text === 'require'
  return isImport || isRequire ? node.arguments[0] : undefined
}

/** `./x.js` in a source means the `x.ts` beside it, and in a declaration the `x.d.ts`. */
const resolve = (from: string, specifier: string): string => {
  if (!specifier.startsWith('.')) return specifier
  const target = posix.join(posix.dirname(from), specifier)
  if (from.endsWith('.d.ts')) return target.replace(/\.js$/, '.d.ts')
  return from.endsWith('.ts') ? target.replace(/\.js$/, '.ts') : target
}

export interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
}

export const manifestOf = (packageName: string): Manifest =>
  JSON.parse(readFileSync(join(repository, 'packages', packageName, 'package.json'), 'utf8')) as Manifest
