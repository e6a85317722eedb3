/** The HTTP of a server or a relay: its figures for Prometheus, and whether it lives and is ready. */
import { scopeOf } from '../core/address-scope.ts'
import { type Endpoint, formatEndpoint } from '../core/endpoint.ts'
import type { Logger } from '../core/logger.ts'
import { listenHttp, type Page } from '../io/http-listener.ts'
import { type HostPort, resolveHostPort } from './host-port.ts'
import type { Metrics } from './metrics.ts'

export interface FiguresOptions {
  readonly at: HostPort
  readonly metrics: Metrics
  readonly logger: Logger
  /** In a word or two; `undefined` when it is ready. */
  readonly whyUnready: () => Promise<string | undefined>
}

export interface Figures {
  readonly local: Endpoint
  close(): Promise<void>
}

/** @throws HollerError `PORT_TAKEN`, `CONFIG_INVALID` */
export async function openFigures(options: FiguresOptions): Promise<Figures> {
  const { logger, metrics, whyUnready } = options
  const page = (path: string): Promise<Page> | undefined => {
    switch (path) {
      case '/metrics':
        return figuresOf(metrics)
      case '/healthz':
        return Promise.resolve(plain(200, 'ok'))
      case '/readyz':
        return whyUnready().then((why) =>
          why === undefined ? plain(200, 'ready') : plain(503, why),
        )
      default:
        return undefined
    }
  }
  const figures = await listenHttp({ ...(await resolveHostPort(options.at)), page })
  const http = formatEndpoint(figures.local)
  logger.info('serving metrics', { http })
  if (scopeOf(figures.local) !== 'loopback') {
    const why = 'Metrics are served beyond this machine: whoever reaches them reads them'
    logger.warn(why, { http })
  }
  return figures
}

async function figuresOf(metrics: Metrics): Promise<Page> {
  return { status: 200, type: metrics.contentType, body: await metrics.text() }
}

function plain(status: number, text: string): Page {
  return { status, type: 'text/plain', body: `${text}\n` }
}
