import { describe, expect, test } from '@jest/globals'
import { edges, isOver, type Phase, requireEdge } from '../../src/protocol/phase.js'

const phases = Object.keys(edges) as Phase[]

describe('the edge table', () => {
  test('contains known phases only, each once per row', () => {
    for (const next of Object.values(edges)) {
      expect(next.filter((phase) => !phases.includes(phase))).toEqual([])
      expect(new Set(next).size).toBe(next.length)
    }
  })

  test('reaches every phase from the first', () => {
    const reached = new Set<Phase>(['opening'])
    for (const phase of reached) for (const next of edges[phase]) reached.add(next)
    expect([...reached].sort()).toEqual([...phases].sort())
  })

  test('ends only in closed and dead', () => {
    expect(phases.filter((phase) => edges[phase].length === 0)).toEqual(['closed', 'dead'])
    expect(phases.filter(isOver)).toEqual(['closed', 'dead'])
  })

  test('allows dead from every phase that is not over', () => {
    expect(phases.filter((phase) => !isOver(phase) && !edges[phase].includes('dead'))).toEqual([])
  })

  test('allows closed only after an orderly disconnect', () => {
    expect(phases.filter((phase) => edges[phase].includes('closed'))).toEqual(['aborting', 'disconnecting'])
  })
})

describe('a change of phase', () => {
  const pairs = phases.flatMap((previous) => phases.map((next) => [previous, next] as const))

  test.each(pairs.filter(([previous, next]) => edges[previous].includes(next)))(
    'from %s to %s is allowed',
    (previous, next) => {
      expect(() => requireEdge(previous, next)).not.toThrow()
    },
  )

  test.each(pairs.filter(([previous, next]) => !edges[previous].includes(next)))(
    'from %s to %s is rejected',
    (previous, next) => {
      expect(() => requireEdge(previous, next)).toThrow(`no edge leads from ${previous} to ${next}`)
    },
  )

  test('that is rejected lists the allowed phases', () => {
    expect(() => requireEdge('aborting', 'transmission')).toThrow(
      'no edge leads from aborting to transmission, only to closed, dead',
    )
    expect(() => requireEdge('dead', 'closed')).toThrow('no edge leads from dead to closed, only to nothing')
  })
})
