/** A directed acyclic graph: what each node needs, by index. */
export interface GraphInput {
  /** `needs[i]` are the indices that node `i` comes after */
  needs: readonly (readonly number[])[]
}

/** One place in a layer: a node, or a stretch of an edge that passes by. */
export interface Place {
  /** index of the node; null for a passing edge */
  node: number | null
  /** places it is joined to in the layer before and after */
  before: Place[]
  after: Place[]
  /** centre, in pixels */
  y: number
}

export interface Route {
  from: number
  to: number
  /** from the source's place over those it passes to the target's */
  places: Place[]
}

/** Passing edges drawn around nodes at most; a denser graph lets long edges run behind the nodes. */
const PASSING_LIMIT = 3_000
const SWEEPS = 12

/** The layer of each node: one more than the furthest of what it needs. */
export function layersOf({ needs }: GraphInput): number[] {
  const layers: number[] = new Array(needs.length).fill(-1)
  const visit = (start: number): void => {
    const stack = [start]
    while (stack.length > 0) {
      const node = stack[stack.length - 1] ?? 0
      const open = (needs[node] ?? []).filter((need) => layers[need] === -1)
      if (open.length > 0) stack.push(...open)
      else {
        layers[node] = Math.max(0, ...(needs[node] ?? []).map((need) => (layers[need] ?? 0) + 1))
        stack.pop()
      }
    }
  }
  for (let node = 0; node < needs.length; node += 1) if (layers[node] === -1) visit(node)
  return layers
}

/** Layers with their places in the order from top to bottom that crosses few edges, and the way of each edge. */
export function orderGraph(input: GraphInput): { layers: Place[][]; routes: Route[] } {
  const layerOf = layersOf(input)
  const layers: Place[][] = Array.from({ length: Math.max(-1, ...layerOf) + 1 }, () => [])
  const places = layerOf.map((layer, node) => {
    const place: Place = { node, before: [], after: [], y: 0 }
    layers[layer]?.push(place)
    return place
  })
  const routes = routeEdges(input, layerOf, layers, places)
  reduceCrossings(layers)
  return { layers, routes }
}

function routeEdges(input: GraphInput, layerOf: number[], layers: Place[][], places: Place[]): Route[] {
  const length = (from: number, to: number) => (layerOf[to] ?? 0) - (layerOf[from] ?? 0)
  const passing = input.needs.reduce(
    (sum, needs, to) => sum + needs.reduce((rest, from) => rest + length(from, to) - 1, 0),
    0,
  )
  return input.needs.flatMap((needs, to) =>
    needs.map((from) => {
      const start = places[from] as Place
      const end = places[to] as Place
      const way = [start]
      for (let step = 1; step < length(from, to) && passing <= PASSING_LIMIT; step += 1) {
        const place: Place = { node: null, before: [], after: [], y: 0 }
        layers[(layerOf[from] ?? 0) + step]?.push(place)
        way.push(place)
      }
      way.push(end)
      for (let step = 1; step < way.length; step += 1) {
        const [a, b] = [way[step - 1] as Place, way[step] as Place]
        a.after.push(b)
        b.before.push(a)
      }
      return { from, to, places: way }
    }),
  )
}

/** Sorts each layer by the mean place of its neighbours, to and fro, and keeps the best order seen. */
function reduceCrossings(layers: Place[][]): void {
  let best = layers.map((layer) => [...layer])
  let fewest = crossings(layers)
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
    const down = sweep % 2 === 0
    const order = down ? layers.keys() : [...layers.keys()].reverse()
    for (const index of order) sortLayer(layers, index, down ? 'before' : 'after')
    const found = crossings(layers)
    if (found < fewest) {
      fewest = found
      best = layers.map((layer) => [...layer])
    }
  }
  for (const [index, layer] of best.entries()) layers[index] = layer
}

function sortLayer(layers: Place[][], index: number, side: 'before' | 'after'): void {
  const layer = layers[index] ?? []
  const other = layers[index + (side === 'before' ? -1 : 1)] ?? []
  const rank = new Map(other.map((place, at) => [place, at]))
  const own = new Map(layer.map((place, at) => [place, at]))
  const share = other.length / Math.max(1, layer.length)
  const key = (place: Place) => {
    const ranks = place[side].map((neighbour) => rank.get(neighbour)).filter((at) => at !== undefined)
    return ranks.length === 0 ? (own.get(place) ?? 0) * share : ranks.reduce((a, b) => a + b, 0) / ranks.length
  }
  const keys = new Map(layer.map((place) => [place, key(place)]))
  layers[index] = layer.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0) || (own.get(a) ?? 0) - (own.get(b) ?? 0))
}

/** Pairs of edges that cross between neighbouring layers; counted with a tree of prefix sums. */
function crossings(layers: readonly Place[][]): number {
  let total = 0
  for (let index = 1; index < layers.length; index += 1) {
    const rank = new Map((layers[index] ?? []).map((place, at) => [place, at + 1]))
    const size = rank.size
    const tree: number[] = new Array(size + 1).fill(0)
    let seen = 0
    for (const place of layers[index - 1] ?? []) {
      // edges drawn behind the nodes end in a later layer and have no rank in this one
      const ends = place.after
        .map((end) => rank.get(end))
        .filter((end) => end !== undefined)
        .sort((one, other) => one - other)
      for (const end of ends) {
        let atMost = 0
        for (let at = end; at > 0; at -= at & -at) atMost += tree[at] ?? 0
        total += seen - atMost
      }
      for (const end of ends) for (let at = end; at <= size; at += at & -at) tree[at] = (tree[at] ?? 0) + 1
      seen += ends.length
    }
  }
  return total
}
