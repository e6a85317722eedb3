/** What is said between a router process and its owner: one JSON value a line, commands in, answers out. */
import type { LinkConditions } from '../../../test/sim/link.ts'
import type { TranslatorOptions } from './translator.ts'

/** The process's one argument, as JSON. */
export interface RouterSetup extends TranslatorOptions {
  /** The interfaces that lead to the hosts and to the internet, in the namespace of the process. */
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
  /** All mappings are lost, as in a power cut; with other public addresses, where given. */
  | { readonly kind: 'reboot'; readonly addresses?: readonly string[] }
  | { readonly kind: 'block-udp'; readonly isBlocked: boolean }
  /** From now on; what is under way arrives as planned. An absent direction stays as it is. */
  | { readonly kind: 'impair'; readonly line: LineConditions }
  | { readonly kind: 'count' }

export interface RouterRequest {
  readonly id: number
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
