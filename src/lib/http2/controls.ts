/** Frames that are neither heads nor bodies → what they change in a session (RFC 9113 §6.3 to §6.9). */
import { latin1 } from '../http1/latin1.ts'
import { dependency } from './blocks.ts'
import { ERROR, FLAG, FRAME_BYTES, number, pingFrame, SETTING, SETTINGS_ACK, TYPE, WINDOW_MOST } from './frames.ts'
import type { Session } from './session.ts'

/** What our PING says after a warning: the client that answers it has read both. */
export const WARNED = 'goodbye!'

/** The payload is bytes[from, end). */
export function control(
  session: Session,
  type: number,
  flags: number,
  id: number,
  bytes: Buffer,
  from: number,
  end: number,
): void {
  switch (type) {
    case TYPE.priority:
      onPriority(session, id, bytes, from, end)
      return
    case TYPE.reset:
      onReset(session, id, bytes, from, end)
      return
    case TYPE.settings:
      onSettings(session, flags, id, bytes, from, end)
      return
    case TYPE.ping:
      onPing(session, flags, id, bytes, from, end)
      return
    case TYPE.goaway:
      if (id !== 0) session.fail(ERROR.protocol)
      else if (end - from < 8) session.fail(ERROR.frameSize)
      else {
        session.budget.idle(end - from)
        session.onAway(number(bytes, from) & 0x7fff_ffff)
      }
      return
    case TYPE.update:
      onUpdate(session, id, bytes, from, end)
      return
    case TYPE.push:
    case TYPE.continuation:
      session.fail(ERROR.protocol)
      return
    default:
      // RFC 9113 §5.5: unknown, and ignored
      session.budget.idle(end - from)
  }
}

function onPriority(session: Session, id: number, bytes: Buffer, from: number, end: number): void {
  if (id === 0) session.fail(ERROR.protocol)
  else if (end - from !== 5) {
    const stream = session.streams.get(id)
    if (stream === undefined) session.fail(ERROR.frameSize)
    else session.fault(stream, ERROR.frameSize)
  } else if (dependency(bytes, from) === id) session.fail(ERROR.protocol)
  else session.budget.idle(5)
}

function onReset(session: Session, id: number, bytes: Buffer, from: number, end: number): void {
  if (end - from !== 4) {
    session.fail(ERROR.frameSize)
    return
  }
  if (session.ids.isIdle(id)) {
    session.fail(ERROR.protocol)
    return
  }
  session.budget.idle(4)
  const stream = session.streams.get(id)
  if (stream === undefined) return
  session.onReset(stream, number(bytes, from))
}

function onSettings(session: Session, flags: number, id: number, bytes: Buffer, from: number, end: number): void {
  const size = end - from
  if (id !== 0) {
    session.fail(ERROR.protocol)
    return
  }
  if (size % 6 !== 0 || ((flags & FLAG.ack) !== 0 && size !== 0)) {
    session.fail(ERROR.frameSize)
    return
  }
  if ((flags & FLAG.ack) !== 0) {
    session.budget.idle(0)
    return
  }
  for (let at = from; at < end; at += 6) {
    const code = onSetting(session, (bytes[at]! << 8) | bytes[at + 1]!, number(bytes, at + 2))
    if (code !== ERROR.none) {
      session.fail(code)
      return
    }
  }
  if (!session.budget.control(1 + (size >> 7))) return
  session.onSettled()
  session.output.emit(SETTINGS_ACK)
  session.output.pump()
}

function onSetting(session: Session, setting: number, value: number): number {
  const { output, streams } = session
  switch (setting) {
    case SETTING.tableBytes:
      output.resizeTable(value)
      return ERROR.none
    case SETTING.noPriorities:
      return value > 1 ? ERROR.protocol : ERROR.none
    case SETTING.window:
      return value <= WINDOW_MOST && output.resizeStreams(value, streams.values()) ? ERROR.none : ERROR.flowControl
    case SETTING.frameBytes:
      return value < FRAME_BYTES || value > 0xff_ffff ? ERROR.protocol : ERROR.none
    default:
      return session.onSetting(setting, value)
  }
}

function onPing(session: Session, flags: number, id: number, bytes: Buffer, from: number, end: number): void {
  if (id !== 0) session.fail(ERROR.protocol)
  else if (end - from !== 8) session.fail(ERROR.frameSize)
  else if ((flags & FLAG.ack) !== 0) {
    session.budget.idle(8)
    session.onPong(latin1(bytes, from, end))
  } else if (session.budget.control(1)) session.output.emit(pingFrame(latin1(bytes, from, end), FLAG.ack))
}

function onUpdate(session: Session, id: number, bytes: Buffer, from: number, end: number): void {
  if (end - from !== 4) {
    session.fail(ERROR.frameSize)
    return
  }
  const increment = number(bytes, from) & 0x7fff_ffff
  session.budget.idle(4)
  const { output } = session
  if (id === 0) {
    if (increment === 0) session.fail(ERROR.protocol)
    else if (!output.widen(increment)) session.fail(ERROR.flowControl)
    else output.pump()
    return
  }
  if (session.ids.isIdle(id)) {
    session.fail(ERROR.protocol)
    return
  }
  const stream = session.streams.get(id)
  if (stream === undefined) return
  stream.window += increment
  if (increment === 0) session.fault(stream, ERROR.protocol)
  else if (stream.window > WINDOW_MOST) session.fault(stream, ERROR.flowControl)
  else if (stream.hasMore) {
    output.wait(stream)
    output.pump()
  }
}
