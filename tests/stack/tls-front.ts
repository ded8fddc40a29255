import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { createServer, type Server } from 'node:tls'

/** Speaks TLS for a service that does not, with a certificate of an authority that nobody knows yet. */
export class TlsFront {
  private constructor(
    private readonly server: Server,
    /** path of the authority's certificate */
    readonly ca: string,
  ) {}

  /** @param folder for keys and certificates, made with openssl */
  static async start(target: string, folder: string): Promise<TlsFront> {
    const { hostname, port } = new URL(target)
    const [key, cert] = [join(folder, 'tls.key'), join(folder, 'tls.pem')]
    const subject = ['-subj', '/CN=tests of Sluice', '-addext', 'subjectAltName=IP:127.0.0.1']
    const args = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      cert,
      ...subject,
    ]
    execFileSync('openssl', args, { stdio: 'pipe' })
    const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (client) => {
      const service = connect(Number(port), hostname)
      client.pipe(service).pipe(client)
      // the end of one side is the end of the other
      client.on('error', () => service.destroy())
      service.on('error', () => client.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TlsFront(server, cert)
  }

  get url(): string {
    return `https://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.server.close()
    await once(this.server, 'close')
  }
}
