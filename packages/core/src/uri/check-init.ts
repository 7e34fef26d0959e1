import type { Complaint } from './complaint.js'
import type { NbdUriInit } from './nbd-uri.js'
import { meaningOf, tlsParameterForms } from './parameters.js'
import { schemes, type UriTransport, uriTransports } from './scheme.js'
import { aBoolean, anArray, anObject, checkShape, oneOf, requireRule, type Shape } from './shape.js'
import { addressRules } from './uri-address.js'
import { type ValueRule, valueRules } from './value-rules.js'

const common: Readonly<Record<string, ValueRule>> = {
  scheme: oneOf(Object.keys(schemes)),
  transport: oneOf(uriTransports),
  tls: aBoolean,
  user: valueRules.user,
  exportName: valueRules.exportName,
  tlsParameters: anObject,
  unknownParameters: anArray,
}

const shapes: Readonly<Record<UriTransport, Shape>> = {
  tcp: { rules: { ...common, ...addressRules.tcp } },
  unix: { rules: { ...common, ...addressRules.unix }, required: ['socketPath'] },
  vsock: { rules: { ...common, ...addressRules.vsock } },
}

const tlsShape: Shape = {
  rules: Object.fromEntries(Object.entries(tlsParameterForms).map(([key, { rule }]) => [key, rule])),
}

const parameterShape: Shape = {
  rules: { name: withoutMeaning, value: valueRules.parameterValue },
  required: ['name', 'value'],
}

/** Throws a NbdUsageError that names the first field that no URI can have. */
export function checkInit(init: NbdUriInit): void {
  requireRule('formatUri: uri', init, anObject)
  requireRule('formatUri: uri.transport', init.transport, oneOf(uriTransports))
  checkShape('formatUri: uri', init, shapes[init.transport])
  const { tlsParameters = {}, unknownParameters = [] } = init
  checkShape('formatUri: uri.tlsParameters', tlsParameters, tlsShape)
  for (const [index, parameter] of unknownParameters.entries()) {
    checkShape(`formatUri: uri.unknownParameters[${index}]`, parameter, parameterShape)
  }
}

function withoutMeaning(name: unknown): Complaint | undefined {
  const complaint = valueRules.parameterName(name)
  if (complaint !== undefined || meaningOf(name as string) === undefined) return complaint
  return { expected: 'a name without a meaning (this one has a field of its own)' }
}
