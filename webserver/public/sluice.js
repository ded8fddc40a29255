// Progressive only: every page reads and every form posts without this file.
const root = document.documentElement

// ---- theme: kept in a cookie, so that the server sends the next page in it
document.querySelector('[data-theme-switch]')?.addEventListener('click', () => {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches
  root.dataset.theme = dark ? 'light' : 'dark'
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not everywhere yet
  document.cookie = `sluice_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`
})

// ---- clock: the server's time, carried on
const clock = document.querySelector('[data-clock]')
if (clock) {
  const ahead = Number(clock.dataset.clock) - Date.now()
  setInterval(() => {
    clock.textContent = new Date(Date.now() + ahead).toISOString().slice(11, 19)
  }, 1000)
}

// ---- forms: a switch sends its form, a typed name unlocks its button, text is copied
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submit]')) event.target.form.requestSubmit()
})
document.addEventListener('input', (event) => {
  const expected = event.target.dataset.confirm
  if (expected === undefined) return
  event.target.form.querySelector('[data-confirmed]').disabled = event.target.value !== expected
})
for (const input of document.querySelectorAll('[data-confirm]')) {
  input.form.querySelector('[data-confirmed]').disabled = input.value !== input.dataset.confirm
}
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-copy]')
  if (!button) return
  const text = document.getElementById(button.dataset.copy)?.textContent ?? ''
  navigator.clipboard?.writeText(text).then(() => {
    button.textContent = 'Copied'
  })
})

// ---- live: single elements are swapped; focus, scroll and selection stay
function parse({ html, svg }) {
  const template = document.createElement('template')
  template.innerHTML = svg ? `<svg>${html}</svg>` : html
  const first = template.content.firstElementChild
  return svg ? first?.firstElementChild : first
}

function swap(fragment) {
  const old = document.getElementById(fragment.id)
  const fresh = parse(fragment)
  if (!old || !fresh) return
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null
  if (old.hasAttribute('data-chosen')) fresh.setAttribute('data-chosen', '')
  old.replaceWith(fresh)
  if (focused !== null) fresh.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus()
}

// what depends on who looks is fetched with the page, once, when the run has ended
async function refresh() {
  const response = await fetch(location.href, { headers: { accept: 'text/html' } })
  if (!response.ok) return
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
  for (const old of document.querySelectorAll('[data-refresh]')) {
    const now = fresh.getElementById(old.id)
    if (now) old.replaceWith(document.adoptNode(now))
  }
  document.querySelector('.clock')?.classList.remove('live')
}

function follow(address, mark) {
  let stream = null
  let over = false
  const open = () => {
    if (over || stream || document.hidden) return
    stream = new EventSource(`${address}${address.includes('?') ? '&' : '?'}mark=${encodeURIComponent(mark)}`)
    stream.addEventListener('swap', (event) => swap(JSON.parse(event.data)))
    stream.addEventListener('over', () => {
      over = true
      close()
      refresh()
    })
  }
  const close = () => {
    stream?.close()
    stream = null
    // whatever changes from now on is not on this page
    mark = ''
  }
  document.addEventListener('visibilitychange', () => (document.hidden ? close() : open()))
  open()
}
if (document.body.dataset.live) follow(document.body.dataset.live, document.body.dataset.mark ?? '')

// ---- log: lines are added at the end while it is followed
const log = document.querySelector('[data-log]')
if (log) {
  const button = document.querySelector('[data-follow]')
  let stream = null
  const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40
  const start = () => {
    const next = Number(log.lastElementChild?.dataset.line ?? log.dataset.from) + 1
    stream = new EventSource(`${log.dataset.log}?from=${next}`)
    stream.addEventListener('lines', (event) => {
      const keepUp = atEnd()
      const template = document.createElement('template')
      template.innerHTML = JSON.parse(event.data)
      log.append(template.content)
      while (log.childElementCount > 5000) log.firstElementChild.remove()
      if (keepUp) log.scrollTop = log.scrollHeight
    })
    stream.addEventListener('over', () => {
      stop()
      refresh()
    })
    label()
  }
  const stop = () => {
    stream?.close()
    stream = null
    label()
  }
  const label = () => {
    if (button) button.firstChild.textContent = stream ? 'Stop following ' : 'Follow '
  }
  button?.addEventListener('click', () => (stream ? stop() : start()))
  if (log.dataset.live !== undefined) {
    log.scrollTop = log.scrollHeight
    start()
  }
}

// ---- the newest run is at the right
for (const wide of document.querySelectorAll('[data-end]')) wide.scrollLeft = wide.scrollWidth

// ---- keys: only those that the foot of the page names
const goTo = { n: '/', d: '/dags', r: '/runs', t: '/tables' }
let gone = false

function rows() {
  return [...document.querySelectorAll('[data-row]')]
}

function choose(step) {
  const all = rows()
  if (all.length === 0) return
  const now = all.findIndex((row) => row.contains(document.activeElement))
  const next = all[Math.max(0, Math.min(all.length - 1, now + step))]
  next.querySelector('a')?.focus()
  next.scrollIntoView({ block: 'nearest' })
}

addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) {
    document.querySelector('[data-main]')?.requestSubmit()
    return
  }
  if (event.target.closest('input, textarea, select') || event.metaKey || event.ctrlKey || event.altKey) return
  if (gone && goTo[event.key]) location.href = goTo[event.key]
  gone = event.key === 'g' && !gone
  if (event.key === '/') {
    const search = document.querySelector('[data-search]')
    if (search) event.preventDefault()
    search?.focus()
  } else if (event.key === 'j') choose(1)
  else if (event.key === 'k') choose(-1)
  else document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click()
})
