/** What throws while it is drawn takes nothing else with it. */
import { Component, type ComponentChildren } from "preact";

import { words } from "../words.ts";
import { beginning, visible } from "./visible.ts";

/** A fault may quote outside text of any length. */
const FAULT_MAX = 2_000;

interface BoundaryProps {
  /** Something else than what threw is drawn. */
  of?: string;
  children: ComponentChildren;
}

export class Boundary extends Component<BoundaryProps, { fault: string | null }> {
  override state = { fault: null };

  override componentDidCatch(error: unknown): void {
    this.setState({ fault: String(error) });
  }

  override componentDidUpdate({ of }: BoundaryProps): void {
    if (of !== this.props.of && this.state.fault !== null) this.setState({ fault: null });
  }

  override render({ children }: BoundaryProps, { fault }: { fault: string | null }) {
    if (fault === null) return children;
    return (
      <div class="page" role="alert">
        <p>{words.notDrawn}</p>
        <pre dir="auto">{visible(beginning(fault, FAULT_MAX))}</pre>
        <p><button onClick={() => this.setState({ fault: null })}>{words.retry}</button></p>
      </div>
    );
  }
}
