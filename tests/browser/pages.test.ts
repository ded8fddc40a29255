import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PAGES, RUN } from '../webserver/sample-pages.js'
import type { Visit, Visitor } from './browser.js'
import { SampleVisits } from './sample-visits.js'

const visits = new SampleVisits()
beforeAll(() => visits.open())
afterAll(() => visits.close())

const READ = PAGES.filter((path) => path !== '/metrics')

async function visiting(visit: Visit, use: (visitor: Visitor) => Promise<void>) {
  const visitor = await visits.visitor(visit)
  try {
    await use(visitor)
  } finally {
    await visitor.close()
  }
}

describe('in a browser each page', () => {
  it.each(['light', 'dark'] as const)('opens without an error of its script or its policy, %s', async (theme) => {
    await visiting({ theme }, async (visitor) => {
      const trouble: string[] = []
      for (const path of READ) trouble.push(...(await visitor.go(path)))
      expect(trouble).toEqual([])
    })
  })

  it.each([1360, 1024])('fits a window of %i pixels; what is wider scrolls by itself', async (width) => {
    await visiting({ width }, async (visitor) => {
      const wider: string[] = []
      for (const path of READ) {
        await visitor.go(path)
        const over = await visitor.page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        )
        if (over !== 0) wider.push(`${path}: ${over}`)
      }
      expect(wider).toEqual([])
    })
  })

  it('reads the same without the script', async () => {
    const shown = async (script: boolean): Promise<Map<string, string>> => {
      const texts = new Map<string, string>()
      await visiting({ script }, async (visitor) => {
        for (const path of READ) {
          await visitor.go(path)
          const text = await visitor.page.locator('main').ariaSnapshot()
          // what only the script can do, it says: it follows at once, and unlocks a button once a name is typed
          texts.set(
            path,
            text.replace('button "Stop following f"', 'button "Follow f"').replace(/ \[disabled\]$/gm, ''),
          )
        }
      })
      return texts
    }
    expect(await shown(false)).toEqual(await shown(true))
  })
})

describe('the policy of contents', () => {
  it('lets nothing run that a page did not bring', async () => {
    await visiting({}, async (visitor) => {
      await visitor.go(`/runs/${RUN}`)
      const ran = await visitor.page.evaluate(`new Promise((resolve) => {
        addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective))
        const script = document.createElement('script')
        script.textContent = 'window.injected = true'
        document.body.append(script)
        setTimeout(() => resolve(window.injected === true ? 'ran' : 'nothing was said'), 5000)
      })`)
      expect(ran).toMatch(/^script-src/)
    })
  })
})
