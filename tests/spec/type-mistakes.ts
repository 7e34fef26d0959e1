import { join } from 'node:path'
import ts from 'typescript'
import { repository } from '../architecture/source-files.js'

export interface TypeMistake {
  readonly piece: string
  readonly message: string
}

/**
 * Type-checks pieces of code against the public types of the packages.
 *
 * @param preamble The imports and declarations that the pieces use. A mistake in it throws.
 * @param pieces One statement or expression each, on one line; `await` is allowed.
 */
export function typeMistakes(preamble: string, pieces: readonly string[]): readonly TypeMistake[] {
  // Where the packages are found by their names. It need not exist.
  const path = join(repository, 'tests/spec/pieces.ts')
  const text = [preamble, ...pieces.map((piece) => `void (async () => { ${piece} })`)].join('\n')
  const firstLine = preamble.split('\n').length
  return diagnose(path, text).map(({ messageText, start = 0 }) => {
    const message = ts.flattenDiagnosticMessageText(messageText, ' ')
    const piece = pieces[text.slice(0, start).split('\n').length - 1 - firstLine]
    if (piece === undefined) throw new Error(`the preamble: ${message}`)
    return { piece, message }
  })
}

/** The files that were read before: reading them takes most of the time. */
const sources = new Map<string, ts.SourceFile>()

function diagnose(path: string, text: string): readonly ts.Diagnostic[] {
  const options: ts.CompilerOptions = { ...readOptions(), noEmit: true, noUnusedLocals: false }
  const host = ts.createCompilerHost(options)
  const { fileExists, getSourceFile } = host
  host.fileExists = (file) => file === path || fileExists(file)
  host.getSourceFile = (file, language, ...rest) => {
    if (file === path) return ts.createSourceFile(path, text, language)
    const known = sources.get(file) ?? getSourceFile(file, language, ...rest)
    if (known !== undefined) sources.set(file, known)
    return known
  }
  const program = ts.createProgram([path], options, host)
  const source = program.getSourceFile(path)
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)]
}

function readOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(join(repository, 'tsconfig.jest.json'), ts.sys.readFile)
  return ts.parseJsonConfigFileContent({ ...config, files: [] }, ts.sys, repository).options
}
