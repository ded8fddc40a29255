import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { drawGraph, fitInfo } from '../../webserver/present/graph.js'
import { layersOf, orderGraph } from '../../webserver/present/graph-order.js'

/** Acyclic because each node needs earlier ones only; then shuffled, so that the order in the file says nothing. */
const graphs = fc
  .array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: 1, maxLength: 40 })
  .map((rows) =>
    rows.map((needs, node) => ({
      id: `t${node}`,
      needs: [...new Set(node === 0 ? [] : needs.map((need) => `t${need % node}`))],
    })),
  )
  .chain((nodes) => fc.shuffledSubarray(nodes, { minLength: nodes.length }))

describe('the drawing of a graph', () => {
  it('puts every node behind what it needs, inside the picture, and none on another', () => {
    fc.assert(
      fc.property(graphs, (nodes) => {
        const drawn = drawGraph(nodes)
        const at = new Map(drawn.nodes.map((node) => [node.id, node]))
        expect(at.size).toBe(nodes.length)
        for (const { id, needs } of nodes)
          for (const need of needs) expect(at.get(need)?.x).toBeLessThan(at.get(id)?.x ?? 0)
        for (const node of drawn.nodes) {
          expect(node.x).toBeGreaterThan(0)
          expect(node.y).toBeGreaterThan(0)
          expect(node.x + drawn.nodeWidth).toBeLessThan(drawn.width)
          expect(node.y + 42).toBeLessThan(drawn.height)
        }
        const columns = new Map<number, number[]>()
        for (const node of drawn.nodes) columns.set(node.x, [...(columns.get(node.x) ?? []), node.y])
        for (const ys of columns.values()) {
          const sorted = ys.sort((a, b) => a - b)
          for (let place = 1; place < sorted.length; place += 1)
            expect((sorted[place] ?? 0) - (sorted[place - 1] ?? 0)).toBeGreaterThanOrEqual(42 + 12)
        }
        expect(drawn.edges).toHaveLength(nodes.reduce((sum, node) => sum + node.needs.length, 0))
      }),
    )
  })

  it('draws a chain as one straight line', () => {
    const drawn = drawGraph([
      { id: 'a', needs: [] },
      { id: 'b', needs: ['a'] },
      { id: 'c', needs: ['b'] },
    ])
    expect(new Set(drawn.nodes.map((node) => node.y)).size).toBe(1)
    expect(drawn.edges.every((edge) => /^M\d+ \d+H\d+$/.test(edge.d))).toBe(true)
  })

  it('untangles what need not cross', () => {
    const { layers } = orderGraph({ needs: [[], [], [], [2], [1], [0]] })
    const order = layers.map((layer) => layer.map((place) => place.node))
    const upper = order[0]?.map((node) => 5 - (node ?? 0))
    expect(order[1]).toEqual(upper)
  })

  it('takes a chain of 5,000 and a dense graph in good time', () => {
    const chain = Array.from({ length: 5_000 }, (_, node) => (node === 0 ? [] : [node - 1]))
    expect(layersOf({ needs: chain }).at(-1)).toBe(4_999)
    const dense = Array.from({ length: 120 }, (_, node) => ({
      id: `t${node}`,
      needs: Array.from({ length: node }, (_, need) => `t${need}`),
    }))
    const began = performance.now()
    drawGraph(dense)
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it('cuts the second line to the room there is', () => {
    expect(fitInfo('short', 172)).toBe('short')
    expect(fitInfo('waits for a file that is never going to come', 172).length).toBeLessThan(24)
  })
})
