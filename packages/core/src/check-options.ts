import * as z from 'zod/mini'
import { argumentError, unknownOptionError } from './argument-error.js'
import { NbdUsageError } from './errors.js'

declare const checkedValue: unique symbol

/** The rule for one option: what is allowed, and what is used if it is absent. Made by the functions of {@link option}. */
export interface Option<out Value> {
  /** Exists in the type only. */
  readonly [checkedValue]: Value
}

/** The rules for the options of one call, by name. Make it once, outside of the function that checks. */
export type OptionShape = Readonly<Record<string, Option<unknown>>>

/** The options that a shape describes, with every default filled in. */
export type CheckedOptions<Shape extends OptionShape> = {
  readonly [Name in keyof Shape]: Shape[Name] extends Option<infer Value> ? Value : never
}

/** The bounds of {@link OptionBuilders.integer}. */
export interface IntegerBounds {
  /**
   * The smallest integer that is allowed.
   * @default Number.MIN_SAFE_INTEGER
   */
  readonly min?: number | undefined
  /**
   * The largest integer that is allowed.
   * @default Number.MAX_SAFE_INTEGER
   */
  readonly max?: number | undefined
}

/**
 * The rules that there are. An option that is absent or `undefined` becomes its default, or `undefined` if it has none;
 * see {@link OptionBuilders.required}.
 */
export interface OptionBuilders {
  /** `true` or `false`. */
  boolean(): Option<boolean | undefined>
  /** `true` or `false`, with a default. */
  boolean(byDefault: boolean): Option<boolean>
  /**
   * One boolean for each name; one boolean in place of the object stands for all of them.
   * @param defaults The default of each name.
   */
  booleans<Name extends string>(
    defaults: Readonly<Record<Name, boolean>>,
  ): Option<Readonly<Record<Name, boolean>>>
  /** A string, the empty one included. */
  string(): Option<string | undefined>
  /** A string, with a default. */
  string(byDefault: string): Option<string>
  /** A safe integer within `bounds`. */
  integer(bounds?: IntegerBounds): Option<number | undefined>
  /** A safe integer within `bounds`, with a default. */
  integer(bounds: IntegerBounds, byDefault: number): Option<number>
  /**
   * A number of milliseconds from `bounds.min` (default 0) to 2147483647: a longer timer fires at once.
   */
  milliseconds(byDefault?: undefined, bounds?: Pick<IntegerBounds, 'min'>): Option<number | undefined>
  /** A number of milliseconds, with a default. */
  milliseconds(byDefault: number, bounds?: Pick<IntegerBounds, 'min'>): Option<number>
  /** One of the strings or numbers given. */
  oneOf<const Value extends string | number>(values: readonly Value[]): Option<Value | undefined>
  /** One of the strings or numbers given, with a default. */
  oneOf<const Value extends string | number>(
    values: readonly Value[],
    byDefault: NoInfer<Value>,
  ): Option<Value>
  /** A Uint8Array, of any realm. A Buffer is one. */
  bytes(): Option<Uint8Array | undefined>
  /** An array each of whose items follows `item`. */
  array<Value>(item: Option<Value>): Option<readonly Exclude<Value, undefined>[] | undefined>
  /** An array each of whose items follows `item`, with a default. */
  array<Value>(
    item: Option<Value>,
    byDefault: readonly Exclude<Value, undefined>[],
  ): Option<readonly Exclude<Value, undefined>[]>
  /** An object with options of its own. If it is absent it is checked as `{}`, and so filled with its defaults. */
  object<Shape extends OptionShape>(shape: Shape): Option<CheckedOptions<Shape>>
  /**
   * A function.
   * @typeParam Value The type of the function, which is not checked.
   */
  function<Value extends (...args: never[]) => unknown>(): Option<Value | undefined>
  /** An AbortSignal, of any realm. */
  signal(): Option<AbortSignal | undefined>
  /**
   * Any other type.
   * @param expected What is allowed, for the message: `a Transport`.
   * @param check Whether a value is one. Prefer its members to `instanceof`, which is false for another realm.
   */
  instance<Value>(expected: string, check: (value: unknown) => boolean): Option<Value | undefined>
  /** Any other type, with a default. */
  instance<Value>(expected: string, check: (value: unknown) => boolean, byDefault: Value): Option<Value>
  /** Anything: the caller checks it. */
  any(): Option<unknown>
  /** The same rule for a value that no message may show: a key, a passphrase. */
  secret<Value>(rule: Option<Value>): Option<Value>
  /** The same rule for an option that must be given. */
  required<Value>(rule: Option<Value>): Option<Exclude<Value, undefined>>
  /** The same rule for an object that stays `undefined` if it is absent. */
  optional<Value>(rule: Option<Value>): Option<Value | undefined>
}

/** What an {@link Option} is. */
interface Rule {
  /** What is allowed, for the message. */
  readonly expected: string
  /** Makes the schema of a value that is present. Called at the first check, to keep imports fast. */
  readonly schema: () => z.ZodMiniType
  /** What happens if it is absent. */
  readonly absent: 'undefined' | 'error' | 'empty' | { readonly value: unknown }
  readonly isSecret?: boolean
  /** The rules of the members of an object. */
  readonly shape?: OptionShape
  /** The rule of the items of an array. */
  readonly item?: Option<unknown>
}

/** A longer delay overflows the timers of JavaScript, which then fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Makes the rules that {@link checkOptions} checks by.
 *
 * @example
 * ```ts
 * const shape = { family: option.oneOf([4, 6]), keepAliveMs: option.milliseconds(0) }
 * ```
 */
export const option: OptionBuilders = {
  boolean: (byDefault?: boolean) => make('a boolean', () => z.boolean(), byDefault),
  booleans: (defaults: Readonly<Record<string, boolean>>) => {
    const names = Object.keys(defaults)
    const shape = Object.fromEntries(names.map((name) => [name, option.boolean(defaults[name] === true)]))
    const forEach = (value: unknown): unknown =>
      typeof value === 'boolean' ? Object.fromEntries(names.map((name) => [name, value])) : value
    return rule({
      expected: 'a boolean or an object',
      schema: () => z.pipe(z.transform(forEach), objectSchema(shape)),
      absent: 'empty',
      shape,
    })
  },
  string: (byDefault?: string) => make('a string', () => z.string(), byDefault),
  integer: ({ min, max }: IntegerBounds = {}, byDefault?: number) =>
    make(
      `an integer${bounds(min, max)}`,
      () => test((value) => Number.isSafeInteger(value) && isWithin(value, min, max)),
      byDefault,
    ),
  milliseconds: (byDefault?: number, { min = 0 }: Pick<IntegerBounds, 'min'> = {}) =>
    make(
      `a number of milliseconds${bounds(min, MAX_TIMER_MS)}`,
      () => test((value) => typeof value === 'number' && isWithin(value, min, MAX_TIMER_MS)),
      byDefault,
    ),
  oneOf: (values: readonly (string | number)[], byDefault?: string | number) =>
    make(
      `one of ${values.map((value) => (typeof value === 'string' ? `'${value}'` : value)).join(', ')}`,
      () => z.literal(values),
      byDefault,
    ),
  bytes: () => make('a Uint8Array', () => test((value) => tagOf(value) === '[object Uint8Array]')),
  array: <Value>(item: Option<Value>, byDefault?: readonly unknown[]) =>
    rule({
      expected: 'an array',
      schema: () => z.array(schemaOf({ ...ruleOf(item), absent: 'error' })),
      absent: byDefault === undefined ? 'undefined' : { value: byDefault },
      item,
    }),
  object: (shape: OptionShape) =>
    rule({ expected: 'an object', schema: () => objectSchema(shape), absent: 'empty', shape }),
  function: () => make('a function', () => test((value) => typeof value === 'function')),
  signal: () => make('an AbortSignal', () => test(isSignal)),
  instance: (expected: string, check: (value: unknown) => boolean, byDefault?: unknown) =>
    make(expected, () => test(check), byDefault),
  any: () => make('any value', () => z.unknown()),
  secret: <Value>(inner: Option<Value>) => rule<Value>({ ...ruleOf(inner), isSecret: true }),
  required: <Value>(inner: Option<Value>) =>
    rule<Exclude<Value, undefined>>({ ...ruleOf(inner), absent: 'error' }),
  optional: <Value>(inner: Option<Value>) =>
    rule<Value | undefined>({ ...ruleOf(inner), absent: 'undefined' }),
}

/**
 * Checks the options of a call and fills in the defaults. Strict: an option that the shape does not name is an error.
 *
 * Not for a call that is made per request: a check takes about a microsecond.
 *
 * @param call The name of the call, which begins the message.
 * @param shape The rules, made once.
 * @param options What the caller passed; `undefined` counts as `{}`.
 * @returns A new object with the options of the shape and no others.
 * @throws {NbdUsageError} An option is unknown (`CALL: unknown option 'x', expected one of a, b`) or has a wrong value
 * (`CALL: limits.connections: expected an integer, at least 1, received 0`).
 * @example
 * ```ts
 * const shape = { family: option.oneOf([4, 6]), keepAliveMs: option.milliseconds(0) }
 *
 * function tcp(host: string, port: number, options?: TcpOptions): Transport {
 *   const { family, keepAliveMs } = checkOptions('tcp', shape, options)
 * ```
 */
export function checkOptions<const Shape extends OptionShape>(
  call: string,
  shape: Shape,
  options: unknown,
): CheckedOptions<Shape> {
  if (options !== undefined && !isOptionsObject(options)) {
    throw argumentError(call, 'options', 'an object', options)
  }
  return reading(call, 'options', options, () => {
    const result = compiled(shape).safeParse(options ?? {})
    if (result.success) return result.data as CheckedOptions<Shape>
    throw optionError(call, { shape }, options, result.error.issues)
  })
}

/**
 * Checks one argument of a call by the same rules.
 *
 * @param call The name of the call, which begins the message.
 * @param name The name of the argument.
 * @param rule What is allowed: `option.required(option.integer({ min: 1, max: 65535 }))`.
 * @param value What the caller passed.
 * @returns The value, or its default.
 * @throws {NbdUsageError} The value is not allowed: `CALL: NAME: expected E, received V`.
 */
export function checkArgument<Value>(call: string, name: string, rule: Option<Value>, value: unknown): Value {
  const shape = { [name]: rule }
  return reading(call, name, value, () => {
    const result = objectSchema(shape).safeParse({ [name]: value })
    if (result.success) return result.data[name] as Value
    throw optionError(call, { shape }, { [name]: value }, result.error.issues)
  })
}

/** Runs a check of an argument. A getter or a proxy of the caller may throw: then the argument is wrong. */
export function reading<Result>(call: string, argument: string, value: unknown, check: () => Result): Result {
  try {
    return check()
  } catch (cause) {
    if (cause instanceof NbdUsageError) throw cause
    throw argumentError(call, argument, 'a value that can be read', value, { cause })
  }
}

const compiledShapes = new WeakMap<OptionShape, z.ZodMiniType>()

function compiled(shape: OptionShape): z.ZodMiniType {
  const known = compiledShapes.get(shape)
  if (known !== undefined) return known
  const schema = objectSchema(shape)
  compiledShapes.set(shape, schema)
  return schema
}

function make<Value>(expected: string, schema: () => z.ZodMiniType, byDefault?: Value): Option<Value> {
  return rule({ expected, schema, absent: byDefault === undefined ? 'undefined' : { value: byDefault } })
}

function rule<Value>(fields: Rule): Option<Value> {
  return fields as unknown as Option<Value>
}

function ruleOf(made: Option<unknown>): Rule {
  return made as unknown as Rule
}

function schemaOf({ schema, absent }: Rule): z.ZodMiniType {
  if (absent === 'error') return schema()
  if (absent === 'undefined') return z.optional(schema())
  if (absent === 'empty') return withDefaults(schema())
  return z._default(schema(), absent.value)
}

/** An object that is absent is filled with its defaults, which are computed once unless a member is required. */
function withDefaults(schema: z.ZodMiniType): z.ZodMiniType {
  const filled = schema.safeParse({})
  return filled.success ? z._default(schema, filled.data) : z.prefault(schema, {})
}

function objectSchema(shape: OptionShape): z.ZodMiniType<Record<string, unknown>> {
  const members = Object.entries(shape).map(([name, made]) => [name, schemaOf(ruleOf(made))] as const)
  return z.pipe(test(isOptionsObject), z.strictObject(Object.fromEntries(members)))
}

function test(check: (value: unknown) => boolean): z.ZodMiniType {
  return z.custom(check)
}

/** Whether it can hold options. A signal or an array in their place has none of its own, and would go unnoticed. */
function isOptionsObject(value: unknown): boolean {
  return tagOf(value) === '[object Object]'
}

/** Whether a value is an AbortSignal, of another realm too. Never throws. */
export function isSignal(value: unknown): value is AbortSignal {
  try {
    return typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value
  } catch {
    return false
  }
}

/** The tag of a value, `[object Object]`; empty for a revoked proxy and for a getter that throws. */
export function tagOf(value: unknown): string {
  try {
    return Object.prototype.toString.call(value)
  } catch {
    return ''
  }
}

function isWithin(value: unknown, min = -Infinity, max = Infinity): boolean {
  return (value as number) >= min && (value as number) <= max
}

function bounds(min: number | undefined, max: number | undefined): string {
  if (min === undefined) return max === undefined ? '' : `, at most ${max}`
  return max === undefined ? `, at least ${min}` : ` from ${min} to ${max}`
}

/** The error for what a schema found: the first unknown option if there is one, else the first wrong value. */
function optionError(
  call: string,
  root: Pick<Rule, 'shape'>,
  options: unknown,
  issues: readonly z.core.$ZodIssue[],
): Error {
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? (issues[0] as z.core.$ZodIssue)
  const { rule: found, value, isSecret } = locate(root, options, issue.path)
  if (issue.code === 'unrecognized_keys') {
    const name = [...issue.path, issue.keys[0]].join('.')
    return unknownOptionError(call, name, Object.keys(found.shape ?? {}))
  }
  return argumentError(call, issue.path.join('.'), found.expected ?? 'an object', value, { secret: isSecret })
}

/** The rule and the value at a path. What is within a secret is secret. */
function locate(
  root: Partial<Rule>,
  options: unknown,
  path: readonly PropertyKey[],
): { readonly rule: Partial<Rule>; readonly value: unknown; readonly isSecret: boolean } {
  let rule = root
  let value = options
  let isSecret = false
  for (const key of path) {
    const member = rule.item ?? rule.shape?.[String(key)]
    rule = member === undefined ? {} : ruleOf(member)
    value = (Object(value) as Record<PropertyKey, unknown>)[key]
    isSecret ||= rule.isSecret === true
  }
  return { rule, value, isSecret }
}
