/** What the other side costs without asking for anything → nothing, while it is as much as anybody may; beyond it, it is told to be calm. */

/** Requests taken back before they were answered, and other mistakes of one stream: so many at once, then so many a second. (CVE-2023-44487, CVE-2025-8671) */
const RESETS = 200
const RESETS_PER_SECOND = 50
/** Frames that only cost us something, PING and SETTINGS: so many at once, then so many a second, and two for every request. */
const CONTROLS = 1000
const CONTROLS_PER_SECOND = 100
/** Bytes that were neither heads nor bodies, a second; WINDOW_UPDATE, PRIORITY and empty frames are such. */
const IDLE_BYTES = 1_048_576
/** What any frame costs besides its bytes, and what may follow a request or a frame of ours. */
const IDLE_FRAME = 32
const IDLE_PER_REQUEST = 512
const IDLE_PER_FRAME = 128
/** Unsent bytes of one that does not read what it asks for. */
export const UNSENT = 1_048_576

export class Budget {
  readonly #calm: (reason: string) => void
  #resets = RESETS
  #controls = CONTROLS
  #idle = 0

  /** `calm`: it has cost too much; with the reason for the metrics. */
  constructor(calm: (reason: string) => void) {
    this.#calm = calm
  }

  /** Once in a while: what may be spent comes back. */
  refill(seconds: number): void {
    this.#resets = Math.min(RESETS, this.#resets + RESETS_PER_SECOND * seconds)
    this.#controls = Math.min(CONTROLS, this.#controls + CONTROLS_PER_SECOND * seconds)
    this.#idle = Math.max(0, this.#idle - IDLE_BYTES * seconds)
  }

  // --- what earns ---

  request(): void {
    if (this.#controls < CONTROLS) this.#controls += 2
    this.#idle = Math.max(0, this.#idle - IDLE_PER_REQUEST)
  }

  /** A frame of a body was sent: its bytes will be acknowledged, and who measures its link sends PING for it. */
  sent(): void {
    if (this.#controls < CONTROLS) this.#controls++
    this.#idle = Math.max(0, this.#idle - IDLE_PER_FRAME)
  }

  // --- what costs ---

  reset(): void {
    if (--this.#resets < 0) this.#calm('h2-rapid-reset')
  }

  /** False: it was too much. */
  control(cost: number): boolean {
    this.#controls -= cost
    if (this.#controls >= 0) return true
    this.#calm('h2-control-flood')
    return false
  }

  /** A frame that says nothing. */
  idle(bytes: number): void {
    if ((this.#idle += bytes + IDLE_FRAME) > IDLE_BYTES) this.#calm('h2-idle-frames')
  }

  /** So much waits until the client reads. */
  unsent(bytes: number): void {
    if (bytes > UNSENT) this.#calm('h2-unread')
  }
}
