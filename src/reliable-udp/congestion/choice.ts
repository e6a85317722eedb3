/** The controllers by name: BBR unless told otherwise, the others for comparison and for paths on which it errs. */
import { Bbr } from './bbr/bbr.ts'
import type { ControllerFactory } from './controller.ts'
import { Cubic } from './cubic.ts'
import { NewReno } from './new-reno.ts'

export type CongestionControl = 'bbr' | 'cubic' | 'new-reno'

export const controllers: Readonly<Record<CongestionControl, ControllerFactory>> = {
  bbr: (_now, datagramBytes, random) => new Bbr(datagramBytes, random),
  cubic: (_now, datagramBytes) => new Cubic(datagramBytes),
  'new-reno': (_now, datagramBytes) => new NewReno(datagramBytes),
}
