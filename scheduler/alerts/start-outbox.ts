import type { Config } from '../config.js'
import { createChannels } from './channels.js'
import { AlertOutbox, type OutboxPorts } from './outbox.js'

/** Begins to send alerts as `sluice.yaml` says. */
export function startOutbox({
  config,
  ...ports
}: Omit<OutboxPorts, 'channels' | 'windowMs'> & { config: Config }): AlertOutbox {
  const outbox = new AlertOutbox({ ...ports, channels: createChannels(config), windowMs: config.alerts.digestMs })
  outbox.start()
  return outbox
}
