import { NbdError } from '../errors.js'

/**
 * Adds the caller of a command to the stack of its error: the error is made when a reply arrives, in a call of the
 * transport, where V8 knows nothing of the caller.
 *
 * V8 finds the functions that await a promise while an async function runs whose promise leads there. So a command that
 * fails is resolved with the promise of such a function. A command that succeeds costs nothing, except right behind one
 * that fails: promises settle in the order of the replies.
 */

/** Missing in runtimes other than V8, whose stacks have another form. */
const { captureStackTrace } = Error as {
  readonly captureStackTrace?: (target: object, below: unknown) => void
}

/** One error may fail a thousand commands. */
const MAX_CALLERS = 8
const callers = new WeakMap<Error, number>()

const tick = Promise.resolve()

/** Promises that were resolved with the promise of `fail()` or `succeed()` and have not settled yet. */
let unsettled = 0

/** Resolves a promise of a command, behind those that were settled before. */
export function resolveInOrder<T>(resolve: (value: T | Promise<T>) => void, value: T): void {
  resolve(unsettled === 0 ? value : succeed(value))
}

/** Rejects a promise of a command, with its caller in the stack of the error. */
export function rejectWithCaller(
  resolve: (value: Promise<never>) => void,
  reject: (error: unknown) => void,
  error: unknown,
): void {
  if (captureStackTrace === undefined) reject(error)
  else resolve(fail(error))
}

async function fail(error: unknown): Promise<never> {
  unsettled++
  // By then `resolve()` has linked its promise with that of this function.
  await tick
  await tick
  queueMicrotask(countSettled)
  addCaller(error, fail)
  throw error
}

/** Takes as many microtasks as `fail()`. */
async function succeed<T>(value: T): Promise<T> {
  unsettled++
  await tick
  await tick
  queueMicrotask(countSettled)
  return value
}

/** Runs right before the promise settles: no microtask in between can settle another one. */
function countSettled(): void {
  unsettled--
}

/**
 * Appends the functions that await an async function to the stack of an error of ours, unless they are there. Without effect
 * where the runtime does not know them.
 *
 * @param present The async function, which is running.
 */
export function addCaller(error: unknown, present: unknown): void {
  if (captureStackTrace === undefined || !(error instanceof NbdError)) return
  const count = callers.get(error) ?? 0
  if (count === MAX_CALLERS) return
  callers.set(error, count + 1)
  const here: { readonly stack?: unknown } = {}
  captureStackTrace(here, present)
  const { stack } = error
  // A hook of the program may give stacks another form.
  if (typeof here.stack !== 'string' || typeof stack !== 'string') return
  const frames = here.stack.split('\n').filter((line) => /^ +at /.test(line) && !stack.includes(line))
  // The program may have frozen an error that also fails another command.
  if (frames.length > 0) Reflect.set(error, 'stack', [stack, ...frames].join('\n'))
}
