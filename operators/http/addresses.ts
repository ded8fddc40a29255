import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { SluiceError } from '../../errors.js'

/** IPv4 networks that are not the public internet (IANA's special-purpose registry). */
const SPECIAL_IPV4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]
/** IPv6: only 2000::/3 is public, without these parts of it (protocol assignments, documentation, 6to4). */
const SPECIAL_IPV6: [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

const special = new BlockList()
for (const [network, prefix] of SPECIAL_IPV4) special.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of SPECIAL_IPV6) special.addSubnet(network, prefix, 'ipv6')
const global6 = new BlockList()
global6.addSubnet('2000::', 3, 'ipv6')

/** Whether an address belongs to the public internet. IPv4 inside IPv6 does not: nothing public needs that form. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special.check(address, 'ipv4')
  return family === 6 && global6.check(address, 'ipv6') && !special.check(address, 'ipv6')
}

/**
 * Refuses a URL whose host is written as an address that is not public. Names are judged by `publicLookup`, at the moment
 * of the connection.
 */
export function assertPublicHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw refused(host, host)
}

/**
 * Resolves names for a socket and hands it public addresses only. As the socket connects to exactly what this returns, a
 * name that changes its answer between two look-ups gains nothing.
 */
export const publicLookup: LookupFunction = publicOnly((hostname, options, callback) => {
  systemLookup(hostname, { ...options, all: true }, callback)
})

type LookupAll = (
  hostname: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** `lookup` without the addresses that are not public; an error when none is left. */
export function publicOnly(lookup: LookupAll): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, options, (error, addresses) => {
      if (error !== null) return callback(error, '', 0)
      const allowed = addresses.filter(({ address }) => isPublicAddress(address))
      const [first] = allowed
      if (first === undefined) return callback(refused(hostname, addresses[0]?.address ?? 'nothing'), '', 0)
      if (options.all === true) return callback(null, allowed)
      return callback(null, first.address, first.family)
    })
  }
}

function refused(host: string, address: string): SluiceError {
  const leads =
    host === address ? `${host} is not a public address` : `${host} leads to ${address}, not a public address`
  return new SluiceError(
    'ADDRESS_REFUSED',
    `${leads}; a URL in a DAG file may not go there. Give the task a \`connection\` of type http from sluice.yaml.`,
    { retryable: false },
  )
}
