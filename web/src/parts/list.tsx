/** A long list of rows of any height whose newest row is at the bottom: only what is near the view
 *  is there. It follows its end while somebody looks at it; whoever goes up stays where they are,
 *  whatever comes, grows, or is read before it. */
import type { ComponentChild, RefObject } from "preact";
import { useEffect, useImperativeHandle, useRef } from "preact/hooks";
import { Virtualizer, type VirtualizerHandle } from "virtua";

const NEAR_PX = 40;
const EDGE_PX = 800;
const BUFFER_PX = 400;
/** A view that goes up this soon after its rows changed was moved by them, and by nobody. */
const SETTLE_MS = 150;

export interface ListHandle {
  toEnd(): void;
  /** The row stands in the middle of the view. */
  to(key: string): void;
}

interface ListProps<T> {
  label: string;
  items: T[];
  keyOf(item: T): string;
  draw(item: T): ComponentChild;
  /** False: there are newer rows than these, so the end is no end. */
  follows: boolean;
  handle: RefObject<ListHandle>;
  /** Somebody looks at the end, or does not any more. */
  onEnd(isAtEnd: boolean): void;
  onTop(): void;
  onBottom(): void;
}

/** Rows were put before the others: the first one of before stands further down. */
function useShift<T>(items: T[], keyOf: (item: T) => string): boolean {
  const first = useRef<string | null>(null);
  const before = first.current;
  const now = items[0] === undefined ? null : keyOf(items[0]);
  useEffect(() => void (first.current = now));
  return before !== null && now !== before && items.some((item) => keyOf(item) === before);
}

export function List<T>(props: ListProps<T>) {
  const { label, items, keyOf, draw, follows, handle } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useRef<VirtualizerHandle>(null);
  const current = useRef(props);
  current.current = props;
  const end = useRef(true); // Whether the end is followed.
  const top = useRef(0); // Where the view was.
  const changed_ms = useRef(0);
  const shift = useShift(items, keyOf);

  const follow = (is: boolean): void => {
    if (end.current === is) return;
    end.current = is;
    current.current.onEnd(is);
  };
  /** After a change of the rows or of their sizes. */
  const stick = (): void => {
    changed_ms.current = performance.now();
    const box = scroller.current;
    if (box !== null && end.current && current.current.follows) box.scrollTop = box.scrollHeight;
  };
  const edges = (): void => {
    const box = scroller.current;
    if (box === null || current.current.items.length === 0) return;
    if (box.scrollTop < EDGE_PX) current.current.onTop();
    if (box.scrollHeight - box.clientHeight - box.scrollTop < EDGE_PX) current.current.onBottom();
  };
  const scrolled = (): void => {
    const box = scroller.current;
    if (box === null) return;
    const rest = box.scrollHeight - box.clientHeight - box.scrollTop;
    const isDown = box.scrollTop >= top.current;
    const isSettled = performance.now() - changed_ms.current > SETTLE_MS;
    top.current = box.scrollTop;
    if (rest <= NEAR_PX && isDown) follow(true);
    else if (rest > NEAR_PX && !isDown && isSettled) follow(false);
    edges();
  };

  useImperativeHandle(handle, () => ({
    toEnd: () => {
      follow(true);
      stick();
    },
    to: (key) => {
      const at = current.current.items.findIndex((item) => current.current.keyOf(item) === key);
      if (at < 0) return;
      follow(false);
      rows.current?.scrollToIndex(at, { align: "center" });
    },
  }), []);

  useEffect(() => {
    const box = scroller.current;
    if (box === null) return undefined;
    let touch_y = 0;
    const wheel = (event: WheelEvent): void => void (event.deltaY < 0 && follow(false));
    const touched = (event: TouchEvent): void => void (touch_y = event.touches[0]?.clientY ?? 0);
    const moved = (event: TouchEvent): void =>
      void ((event.touches[0]?.clientY ?? 0) > touch_y && follow(false));
    const key = ({ key: name }: KeyboardEvent): void =>
      void (["ArrowUp", "PageUp", "Home"].includes(name) && follow(false));
    // What somebody opens stays under the pointer.
    const opened = (): void => follow(false);
    const passive = { passive: true };
    box.addEventListener("wheel", wheel, passive);
    box.addEventListener("touchstart", touched, passive);
    box.addEventListener("touchmove", moved, passive);
    box.addEventListener("keydown", key);
    box.addEventListener("toggle", opened, true);
    const sizes = new ResizeObserver(() => {
      stick();
      edges();
    });
    sizes.observe(box);
    for (const child of box.children) sizes.observe(child);
    return () => sizes.disconnect();
  }, []);
  useEffect(() => {
    stick();
    edges();
  }, [items, follows]);

  return (
    <div class="long-list" ref={scroller} tabIndex={0} role="region" aria-label={label}
      onScroll={scrolled}>
      <Virtualizer ref={rows} data={items} shift={shift} bufferSize={BUFFER_PX}>
        {(item: T) => <div key={keyOf(item)} class="long-row">{draw(item)}</div>}
      </Virtualizer>
    </div>
  );
}
