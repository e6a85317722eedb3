/** What is said between the routers' process and its owner: one JSON value a line, commands in, answers out. */
import type { LinkConditions } from '../../../test/sim/link.ts'
import type { TranslatorOptions } from './translator.ts'

export interface RouterSetup extends TranslatorOptions {
  /** The network namespace that the router stands in, by its name. */
  readonly namespace: string
  /** The interfaces there that lead to the hosts and to the internet. */
  readonly lan: string
  readonly wan: string
  readonly seed: number
  /** What the line to the internet does to packets, each way. */
  readonly line?: LineConditions
}

export interface LineConditions {
  readonly up?: LinkConditions
  readonly down?: LinkConditions
}

export type RouterCommand =
  | { readonly kind: 'start'; readonly setup: RouterSetup }
  | { readonly kind: 'stop' }
  /** All mappings are lost, as in a power cut; with other public addresses, where given. */
  | { readonly kind: 'reboot'; readonly addresses?: readonly string[] }
  /** Forgets what went to or came from these hosts, as after a long silence. */
  | { readonly kind: 'forget'; readonly remotes: readonly string[] }
  | { readonly kind: 'block-udp'; readonly isBlocked: boolean }
  /** From now on no new TCP connection leaves but to this port. */
  | { readonly kind: 'only-tcp'; readonly port: number }
  /** From now on; what is under way arrives as planned. An absent direction stays as it is. */
  | { readonly kind: 'impair'; readonly line: LineConditions }
  | { readonly kind: 'count' }

export interface RouterRequest {
  readonly id: number
  /** Which router, by the name that `start` gives it. */
  readonly router: string
  readonly command: RouterCommand
}

export type RouterReply =
  | { readonly kind: 'ready' }
  /** The command is carried out: no packet read from now on is treated otherwise. */
  | { readonly kind: 'done'; readonly id: number; readonly counts: RouterCounts }
  | { readonly kind: 'failed'; readonly id: number; readonly why: string }

export interface RouterCounts {
  readonly mappings: number
  /** Packets handed on, by where to. */
  readonly forwarded: { readonly inside: number; readonly outside: number }
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>
}
