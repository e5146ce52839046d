import type { Context } from './context.ts'

/**
 * One thing the host must have. Everything the toolkit does is made of these: `--plan` inspects, a run applies
 * what differs and inspects again.
 */
export interface Resource {
  /** Shown to people and unique over all steps, since `needs` refers to it. */
  readonly title: string
  /** Without side effects: `undefined` when all is well, else what differs, in words. */
  inspect(): Promise<string | undefined>
  apply(): Promise<void>
  /**
   * Titles of the resources this one waits for, instead of waiting for the one before it. It may start while
   * earlier steps are still at work; its own step ends only when it is done.
   */
  readonly needs?: readonly string[]
}

/** A numbered step: which resources it establishes, on a host and in the local sandbox. */
export interface Step {
  /** File name without ending, such as `20-certbot`. */
  readonly id: string
  readonly title: string
  /** Questions for the operator, asked before anything is changed so that nobody waits at the terminal. */
  ask?(context: Context): Promise<void>
  host(context: Context): Resource[]
  local(context: Context): Resource[]
  /** A proof beyond the resources' own inspections, run at the end of every run that is not a plan. */
  verify?(context: Context): Promise<void>
}
