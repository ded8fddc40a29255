import type { Place } from './graph-order.js'

const NODE_GAP = 14
const LANE_GAP = 10
const ROUNDS = 16

/**
 * Gives every place its centre: close to the mean of its neighbours, never nearer to the next one than the drawing
 * allows, the order kept.
 * @param nodeHeight pixels; a passing edge has none
 */
export function placeVertically(layers: readonly Place[][], nodeHeight: number): void {
  for (const layer of layers) stack(layer, nodeHeight)
  for (let round = 0; round < ROUNDS; round += 1) {
    const down = round % 2 === 0
    const order = down ? layers : [...layers].reverse()
    for (const layer of order) settle(layer, nodeHeight, down ? 'before' : 'after')
  }
  const top = Math.min(0, ...layers.flat().map((place) => place.y - (place.node === null ? 0 : nodeHeight / 2)))
  for (const place of layers.flat()) place.y = Math.round(place.y - top)
}

function stack(layer: readonly Place[], nodeHeight: number): void {
  let y = 0
  for (const [index, place] of layer.entries()) {
    if (index > 0) y += distance(layer[index - 1] as Place, place, nodeHeight)
    place.y = y
  }
}

/** Least distance between two centres. */
function distance(above: Place, below: Place, nodeHeight: number): number {
  const half = (place: Place) => (place.node === null ? 0 : nodeHeight / 2)
  const gap = above.node === null || below.node === null ? LANE_GAP : NODE_GAP
  return half(above) + gap + half(below)
}

/**
 * Moves the places of one layer as near to where they would like to be as order and distance allow: least squares by
 * pooling neighbours that get in each other's way.
 */
function settle(layer: readonly Place[], nodeHeight: number, side: 'before' | 'after'): void {
  const offsets: number[] = []
  let offset = 0
  for (const [index, place] of layer.entries()) {
    if (index > 0) offset += distance(layer[index - 1] as Place, place, nodeHeight)
    offsets.push(offset)
  }
  const pools: { sum: number; weight: number; size: number }[] = []
  for (const [index, place] of layer.entries()) {
    const wish = wishOf(place, side)
    pools.push({ sum: (wish.y - (offsets[index] ?? 0)) * wish.weight, weight: wish.weight, size: 1 })
    for (let last = pools.at(-1), before = pools.at(-2); last && before; last = pools.at(-1), before = pools.at(-2)) {
      if (before.sum / before.weight <= last.sum / last.weight) break
      before.sum += last.sum
      before.weight += last.weight
      before.size += last.size
      pools.pop()
    }
  }
  let index = 0
  for (const pool of pools)
    for (let at = 0; at < pool.size; at += 1, index += 1) {
      const place = layer[index]
      if (place !== undefined) place.y = pool.sum / pool.weight + (offsets[index] ?? 0)
    }
}

/** Where a place would like to be: passing edges insist on going straight on, nodes on the middle of their neighbours. */
function wishOf(place: Place, side: 'before' | 'after'): { y: number; weight: number } {
  const neighbours = place[side].length > 0 ? place[side] : []
  if (neighbours.length === 0) return { y: place.y, weight: 0.5 }
  const sorted = neighbours.map((neighbour) => neighbour.y).sort((a, b) => a - b)
  const middle = ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2
  return { y: middle, weight: place.node === null ? 8 : 1 }
}
