import { beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../../../scheduler/store/store.js'
import { type FreshStore, NOW } from './subject.js'

export function accountsSuite(fresh: FreshStore): void {
  describe('accounts', () => {
    let store: Store
    beforeEach(async () => {
      store = await fresh()
      await store.saveUser('mira', 'operator', NOW)
    })

    it('keeps users and changes their roles', async () => {
      await store.saveUser('mira', 'admin', NOW + 1)
      expect(await store.users()).toEqual([{ name: 'mira', role: 'admin', createdAt: NOW }])
    })

    it('removes a user with every secret', async () => {
      await store.saveSecret({ kind: 'api_token', hash: 'h9', user: 'mira', expiresAt: null }, NOW)
      expect(await store.removeUser('mira')).toBe('removed')
      expect(await store.removeUser('mira')).toBe('unknown')
      await store.saveUser('mira', 'viewer', NOW)
      expect(await store.redeemSecret('api_token', 'h9', NOW)).toBeNull()
    })

    it('uses up a login link, even when two redeem it at once', async () => {
      await store.saveSecret({ kind: 'login_link', hash: 'h1', user: 'mira', expiresAt: NOW + 1000 }, NOW)
      const redeem = () => store.redeemSecret('login_link', 'h1', NOW)
      const redeemed = await Promise.all([redeem(), redeem(), redeem()])
      expect(redeemed.filter((who) => who !== null)).toEqual([{ user: 'mira', role: 'operator' }])
    })

    it('keeps sessions and tokens until they expire or are revoked', async () => {
      await store.saveSecret({ kind: 'session', hash: 'h1', user: 'mira', expiresAt: NOW + 1000 }, NOW)
      await store.saveSecret({ kind: 'api_token', hash: 'h2', user: 'mira', expiresAt: null }, NOW)
      expect(await store.redeemSecret('session', 'h1', NOW + 999)).toEqual({ user: 'mira', role: 'operator' })
      expect(await store.redeemSecret('session', 'h1', NOW + 1000)).toBeNull()
      expect(await store.redeemSecret('api_token', 'h2', NOW + 1e9)).toEqual({ user: 'mira', role: 'operator' })
      await store.revokeSecret('h2')
      expect(await store.redeemSecret('api_token', 'h2', NOW)).toBeNull()
    })

    it('forgets what has expired when something new is kept', async () => {
      const session = { kind: 'session' as const, user: 'mira' }
      await store.saveSecret({ ...session, hash: 'old', expiresAt: NOW + 1000 }, NOW)
      await store.saveSecret({ ...session, hash: 'kept', expiresAt: NOW + 1001 }, NOW)
      await store.saveSecret({ kind: 'api_token', user: 'mira', hash: 'for ever', expiresAt: null }, NOW)
      await store.saveSecret({ ...session, hash: 'new', expiresAt: NOW + 9000 }, NOW + 1000)
      // asked as of a time at which all four were good
      const left = ['old', 'kept', 'new'].map(async (hash) => (await store.redeemSecret('session', hash, NOW)) !== null)
      expect(await Promise.all(left)).toEqual([false, true, true])
      expect(await store.redeemSecret('api_token', 'for ever', NOW)).not.toBeNull()
    })

    it('does not take a secret of one kind for another', async () => {
      await store.saveSecret({ kind: 'session', hash: 'h1', user: 'mira', expiresAt: null }, NOW)
      expect(await store.redeemSecret('api_token', 'h1', NOW)).toBeNull()
      expect(await store.redeemSecret('login_link', 'h1', NOW)).toBeNull()
      expect(await store.redeemSecret('session', 'h1', NOW)).not.toBeNull()
    })
  })
}
