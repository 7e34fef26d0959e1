import { NbdUsageError } from '../errors.js'
import { type Complaint, complaintError } from './complaint.js'
import type { ValueRule } from './value-rules.js'

/** A rule for each field that an object may have. `undefined` passes unless the field is required. */
export interface Shape {
  readonly rules: Readonly<Record<string, ValueRule>>
  readonly required?: readonly string[]
}

/** Throws a NbdUsageError that names the first field that is unknown, missing or wrong, behind `where`. */
export function checkShape(where: string, fields: unknown, { rules, required = [] }: Shape): void {
  requireRule(where, fields, anObject)
  const values = new Map<string, unknown>(Object.entries(fields as object))
  for (const name of [...values.keys(), ...required]) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined
    if (rule === undefined) {
      throw new NbdUsageError(`${where}.${name}: unknown, expected one of ${Object.keys(rules).join(', ')}`)
    }
    const value = values.get(name)
    if (value !== undefined || required.includes(name)) requireRule(`${where}.${name}`, value, rule)
  }
}

export function requireRule(where: string, value: unknown, rule: ValueRule): void {
  const complaint = rule(value)
  if (complaint !== undefined) throw complaintError(where, value, complaint)
}

export function anObject(value: unknown): Complaint | undefined {
  return typeof value === 'object' && value !== null ? undefined : { expected: 'an object' }
}

export function anArray(value: unknown): Complaint | undefined {
  return Array.isArray(value) ? undefined : { expected: 'an array' }
}

export function aBoolean(value: unknown): Complaint | undefined {
  return typeof value === 'boolean' ? undefined : { expected: 'a boolean' }
}

export function aFunction(value: unknown): Complaint | undefined {
  return typeof value === 'function' ? undefined : { expected: 'a function' }
}

export function oneOf(known: readonly string[]): ValueRule {
  return (value) => (known.includes(value as string) ? undefined : { expected: `one of ${known.join(', ')}` })
}
