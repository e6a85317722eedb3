/** Where a part of a connection puts its events: it sees only the kinds it makes. */
export interface EventSink<Event> {
  push(event: Event): void
}
