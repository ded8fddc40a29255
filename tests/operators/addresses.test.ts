import type { LookupAddress } from 'node:dns'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPublicAddress, publicOnly } from '../../operators/http/addresses.js'

const octet = fc.integer({ min: 0, max: 255 })
const address = (...octets: fc.Arbitrary<number>[]) => fc.tuple(...octets).map((parts) => parts.join('.'))
const only = (value: number) => fc.constant(value)

describe('isPublicAddress', () => {
  it.each([
    ['loopback', address(only(127), octet, octet, octet)],
    ['private 10', address(only(10), octet, octet, octet)],
    ['private 172.16', address(only(172), fc.integer({ min: 16, max: 31 }), octet, octet)],
    ['private 192.168', address(only(192), only(168), octet, octet)],
    ['link-local, where clouds keep their credentials', address(only(169), only(254), octet, octet)],
    ['carrier-grade NAT', address(only(100), fc.integer({ min: 64, max: 127 }), octet, octet)],
    ['this host', address(only(0), octet, octet, octet)],
    ['multicast and reserved', address(fc.integer({ min: 224, max: 255 }), octet, octet, octet)],
  ])('refuses all of %s, as IPv4 and inside IPv6', (_, addresses) => {
    fc.assert(
      fc.property(
        addresses,
        (ip) => !isPublicAddress(ip) && !isPublicAddress(`::ffff:${ip}`) && !isPublicAddress(`64:ff9b::${ip}`),
      ),
    )
  })

  it.each([
    '::',
    '::1',
    'fe80::1',
    'fc00::1',
    'fd12::1',
    'ff02::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '2001::1',
    'x',
    '',
  ])('refuses %s', (ip) => expect(isPublicAddress(ip)).toBe(false))

  it.each([
    '1.1.1.1',
    '93.184.215.14',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.1.1',
    '2606:4700::1111',
    '2a00:1450::1',
  ])('takes %s', (ip) => expect(isPublicAddress(ip)).toBe(true))
})

describe('a name', () => {
  const resolving = (...addresses: string[]) =>
    publicOnly((_, __, callback) =>
      callback(
        null,
        addresses.map((ip): LookupAddress => ({ address: ip, family: ip.includes(':') ? 6 : 4 })),
      ),
    )
  const lookup = (fn: ReturnType<typeof publicOnly>, all: boolean) =>
    new Promise((resolve) => {
      fn('name.example', { all }, (error, found) => resolve(error ?? found))
    })

  it('leads to its public addresses only, so that the socket cannot connect to another', async () => {
    const mixed = resolving('10.0.0.8', '93.184.215.14', 'fe80::1', '2606:4700::1111')
    expect(await lookup(mixed, true)).toEqual([
      { address: '93.184.215.14', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ])
    expect(await lookup(mixed, false)).toBe('93.184.215.14')
  })

  it('that leads to private addresses alone is refused with the address', async () => {
    expect(await lookup(resolving('10.0.0.8'), true)).toMatchObject({
      code: 'ADDRESS_REFUSED',
      message: expect.stringContaining('name.example leads to 10.0.0.8'),
    })
    expect(await lookup(resolving(), true)).toMatchObject({ code: 'ADDRESS_REFUSED' })
  })
})
