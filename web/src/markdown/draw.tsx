/** The tree to elements. */
import type { ComponentChildren, VNode } from "preact";
import { useMemo } from "preact/hooks";

import { visible } from "../parts/visible.ts";
import { words } from "../words.ts";
import { Code } from "./code.tsx";
import { targetOf } from "./links.ts";
import type { Align, Block as Tree, Inline } from "./tree.ts";

function drawLink({ kind, href, raw, of }: Extract<Inline, { href: string }>, inLink: boolean) {
  const target = targetOf(href, location.origin);
  const isImage = kind === "image";
  if (target === null) return visible(raw);
  // Nothing is loaded from elsewhere: an image is a link to it.
  const text = isImage ? [`${words.image}: `, ...drawAll(of, true)] : drawAll(of, true);
  if (inLink) return text;
  if (target.place) return <a href={target.href}>{text}</a>;
  return (
    <a href={target.href} title={visible(target.href)} target="_blank" rel="noopener noreferrer">
      {text}
    </a>
  );
}

function drawInline(node: Inline, inLink: boolean): ComponentChildren {
  if (typeof node === "string") return visible(node);
  switch (node.kind) {
    case "em":
      return <em>{drawAll(node.of, inLink)}</em>;
    case "strong":
      return <strong>{drawAll(node.of, inLink)}</strong>;
    case "del":
      return <del>{drawAll(node.of, inLink)}</del>;
    case "code":
      return <code dir="auto">{visible(node.text)}</code>;
    case "br":
      return <br />;
    default:
      return drawLink(node, inLink);
  }
}

const drawAll = (nodes: Inline[], inLink = false): ComponentChildren[] =>
  nodes.map((node) => drawInline(node, inLink));

function Table({ align, rows }: { align: Align[]; rows: Inline[][][] }) {
  const [head = [], ...body] = rows;
  const classOf = (column: number) => align[column] ?? "left";
  return (
    <div class="table" tabIndex={0} role="group" aria-label={words.table}>
      <table>
        <thead>
          <tr>{head.map((cell, at) => (
            <th scope="col" dir="auto" class={classOf(at)}>{drawAll(cell)}</th>))}</tr>
        </thead>
        <tbody>
          {body.map((row) => (
            <tr>{row.map((cell, at) => (
              <td dir="auto" class={classOf(at)}>{drawAll(cell)}</td>))}</tr>))}
        </tbody>
      </table>
    </div>
  );
}

/** `dir`: a list or a quote has one direction, that of its first text; so what is in it has none of
 *  its own, which would hide that text from the list. */
function drawBlock(node: Tree, level: number, dir: "auto" | undefined): VNode {
  switch (node.kind) {
    case "p":
      return <p dir={dir}>{drawAll(node.of)}</p>;
    case "text":
      return <div dir={dir}>{drawAll(node.of)}</div>;
    case "heading": {
      const Tag = `h${level}` as "h3";
      return <Tag class={`size-${node.level}`} dir={dir}>{drawAll(node.of)}</Tag>;
    }
    case "quote":
      return <blockquote dir={dir}>{drawBlocks(node.of)}</blockquote>;
    case "list": {
      const items = node.items.map((item) => <li>{drawBlocks(item)}</li>);
      return node.start === null ? <ul dir={dir}>{items}</ul>
        : <ol dir={dir} start={node.start}>{items}</ol>;
    }
    case "code":
      return <Code language={node.language} text={node.text} runs={node.runs} />;
    case "table":
      return <Table align={node.align} rows={node.rows} />;
    case "rule":
      return <hr />;
  }
}

const HEADING_TOP = 3, HEADING_LOW = 6;

/** Level of the element of each heading: the page's own are above them, and none is skipped. */
function levelsOf(blocks: Tree[]): number[] {
  let last = HEADING_TOP - 1;
  return blocks.map((one) => {
    if (one.kind !== "heading") return last;
    last = Math.min(one.level + HEADING_TOP - 1, last + 1, HEADING_LOW);
    return last;
  });
}

/** Headings within quotes and lists are no part of the outline of the page. */
function drawBlocks(blocks: Tree[]): VNode[] {
  return blocks.map((one) => (one.kind === "heading"
    ? <p><strong>{drawAll(one.of)}</strong></p> : drawBlock(one, HEADING_LOW, undefined)));
}

/** A block that stays the same is not drawn again while those after it grow. */
function Block({ node, level }: { node: Tree; level: number }) {
  return useMemo(() => drawBlock(node, level, "auto"), [node, level]);
}

export function Blocks({ blocks }: { blocks: Tree[] }) {
  const levels = levelsOf(blocks);
  return blocks.map((node, at) => (
    <Block key={at} node={node} level={levels[at] ?? HEADING_LOW} />));
}
