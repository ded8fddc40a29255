import { orderGraph, type Route } from './graph-order.js'
import { placeVertically } from './graph-place.js'

const NODE_HEIGHT = 42
const LAYER_GAP = 45
const MIN_WIDTH = 172
const MAX_WIDTH = 340
/** widths of the sans text at 12 px medium and 11 px, generous enough for wide system fonts */
const NAME_PX = 6.9
const INFO_PX = 6.2
const TEXT_X = 36

export interface GraphNode {
  id: string
  needs: readonly string[]
}

export interface DrawnGraph {
  width: number
  height: number
  nodeWidth: number
  nodes: { id: string; x: number; y: number }[]
  edges: { d: string; from: string; to: string }[]
}

/** A layered drawing, left to right; coordinates are whole pixels, edges end at the borders of the nodes. */
export function drawGraph(nodes: readonly GraphNode[], height = NODE_HEIGHT): DrawnGraph {
  const index = new Map(nodes.map((node, at) => [node.id, at]))
  const needs = nodes.map((node) => node.needs.map((id) => index.get(id)).filter((at) => at !== undefined))
  const { layers, routes } = orderGraph({ needs })
  placeVertically(layers, height)
  const nodeWidth = widthOf(nodes)
  const step = nodeWidth + LAYER_GAP
  const drawn = layers.flatMap((layer, at) =>
    layer.flatMap((place) =>
      place.node === null ? [] : [{ id: nodes[place.node]?.id ?? '', x: at * step + 1, y: place.y - height / 2 + 1 }],
    ),
  )
  const bottom = Math.max(0, ...layers.flat().map((place) => place.y + (place.node === null ? 4 : height / 2)))
  const layerOf = new Map(layers.flatMap((layer, at) => layer.map((place) => [place, at] as const)))
  const edges = routes.map((route) => ({
    d: edgePath(route, nodeWidth, (place) => (layerOf.get(place) ?? 0) * step + 1),
    from: nodes[route.from]?.id ?? '',
    to: nodes[route.to]?.id ?? '',
  }))
  return {
    width: Math.max(1, layers.length) * step - LAYER_GAP + 2,
    height: bottom + 2,
    nodeWidth,
    nodes: drawn,
    edges,
  }
}

function widthOf(nodes: readonly GraphNode[]): number {
  const widest = Math.max(0, ...nodes.map((node) => TEXT_X + 10 + node.id.length * NAME_PX))
  return Math.round(Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, widest)))
}

/** As much of the second line as a node has room for; the rows below the graph say it in full. */
export function fitInfo(text: string, nodeWidth: number): string {
  const room = Math.floor((nodeWidth - TEXT_X - 6) / INFO_PX)
  return text.length <= room ? text : `${text.slice(0, Math.max(1, room - 1)).trimEnd()}…`
}

/** Straight along a row, a curve in each gap between layers where the row changes. */
function edgePath(route: Route, nodeWidth: number, xOf: (place: Route['places'][number]) => number): string {
  const [start, ...rest] = route.places
  if (start === undefined) return ''
  let x = xOf(start) + nodeWidth
  let y = start.y + 1
  let d = `M${x} ${y}`
  for (const [at, place] of rest.entries()) {
    const left = xOf(place)
    const target = place.y + 1
    if (left - LAYER_GAP > x) d += `H${left - LAYER_GAP}`
    d += target === y ? `H${left}` : `C${left - 21} ${y} ${left - 24} ${target} ${left} ${target}`
    if (at < rest.length - 1) d += `H${left + nodeWidth}`
    x = left + nodeWidth
    y = target
  }
  return d
}
