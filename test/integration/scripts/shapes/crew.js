export const meta = { name: "crew", description: "Classes for roles, and a board between them." };

class Role {
  #memory = [];
  constructor(name, goal) { Object.assign(this, { name, goal }); }
  async act(board) {
    const said = await agent(`${this.name}: ${this.goal}\n${board.read()}`, { label: this.name });
    this.#memory.push(said);
    board.post(this.name, said);
    return this;
  }
  get turns() { return this.#memory.length; }
}
class Board extends Map {
  post(who, text) { this.set(who, [...(this.get(who) ?? []), text]); }
  read() { return [...this.keys()].join(", "); }
}
const board = new Board();
const crew = [new Role("lead", "plan"), new Role("maker", "build"), new Role("tester", "break")];
for (let day = 0; day < 2; day++) for (const role of crew) await role.act(board);
return { turns: crew.map(({ turns }) => turns), board: board.size };
