// What `npm start` runs. Like sluice.ts it is read by whatever Node there is: a Node that cannot read what it imports is
// told so by sluice.ts.
import('./rebuild.js')
  .then(
    (rebuild) => rebuild.rebuildWhenStale(),
    () => undefined,
  )
  .then(() => import('./sluice.js'))
