// SPDX-License-Identifier: GPL-2.0-only
// The text of a trace: JavaScript that does what the program does from one address on, along calls
// and jumps, with exits where a condition leads elsewhere, until the next address is not known.
// Results, flags and cycles are rp2040js's, but for its carry after shifts by a register.

const LONGEST = 48; // instructions of a trace
const LOOP_CYCLES = 400; // in which a trace that jumps to its own beginning may stay
export const GRANULE = 5; // 32 bytes: stores into RAM are held against code at this grain
export const RAM_BYTES = 264 * 1024;
const RAM = 0x20000000, FLASH = 0x10000000;
const PRIMASK = 16;
const SP = 13, LR = 14;
export const PC = 15;

const reg = (n) => `r${n}`;
const bits = (v, low, count) => (v >> low) & ((1 << count) - 1);

export class Trace {
    constructor(start, read16, constant, through = true) {
        Object.assign(this, { start, read16, constant, through }); // through: along calls and jumps
        this.lines = [];
        this.used = new Set();
        this.dirty = new Set();
        this.flags = { nz: false, c: false, v: false }; // set in this trace so far
        this.cycles = 0;
        this.count = 0;
        this.pages = new Set();
    }

    // -- Small pieces

    get(n, pc) {
        if (n === PC) return String((pc + 4) | 0);
        this.used.add(n);
        return reg(n);
    }

    set(n, text) {
        this.used.add(n);
        this.dirty.add(n);
        this.lines.push(`${reg(n)} = ${n === SP ? `(${text}) & -4` : text};`);
    }

    emit(text) {
        this.lines.push(text);
    }

    nz(n) {
        this.flags.nz = true;
        this.emit(`nz = ${reg(n)};`);
    }

    carry() {
        return this.flags.c ? 'c' : 'core.C';
    }

    // What must be in the core's own state whenever a trace is left.
    save() {
        const out = [...this.dirty].map((n) => `I[${n}] = ${reg(n)};`);
        if (this.flags.nz) out.push('core.N = nz < 0; core.Z = nz === 0;');
        if (this.flags.c) out.push('core.C = c;');
        if (this.flags.v) out.push('core.V = v;');
        return out.join(' ');
    }

    leave(target, cycles = 0) {
        return `${this.save()} I[15] = ${target}; return cyc + ${this.cycles + cycles};`;
    }

    // A jump to the trace's own beginning stays inside for a while: the locals are already right.
    jump(target, cycles) {
        if (target !== this.start) return this.leave(target | 0, cycles);
        this.loops = true;
        const kept = this.save();
        return `cyc += ${this.cycles + cycles}; if (cyc < ${LOOP_CYCLES} && !core.interruptsUpdated) { ${kept} continue; } ${kept} I[15] = ${target | 0}; return cyc;`;
    }

    // LDM, POP, STM and PUSH take one cycle a word wherever it is: `slow` names another way then.
    load(to, address, size, signed = false, slow = `read${size}`) {
        this.used.add(to);
        this.dirty.add(to);
        const views = { 1: ['S8', 'F8', 'a & 16777215', -16777216], 2: ['S16', 'F16', '(a & 16777215) >> 1', -16777215], 4: ['S', 'F', '(a & 16777215) >> 2', -16777213] };
        const [ram, flash, index, mask] = views[size];
        const top = { 1: 'a & -16777216', 2: `a & ${mask}`, 4: `a & ${mask}` }[size];
        let text = `(h = ${top}) === ${RAM} && (a & 16777215) < ${RAM_BYTES} ? ${ram}[${index}] : h === ${FLASH} && (a & 16777215) < flashBytes ? ${flash}[${index}] : x.${slow}(a)`;
        if (signed) text = size === 1 ? `(${text}) << 24 >> 24` : `(${text}) << 16 >> 16`;
        this.emit(`a = (${address}) | 0; ${reg(to)} = ${text};`);
        this.cycles += 2;
    }

    store(address, value, size, slow = `write${size}`) {
        const [view, index, mask] = { 1: ['S8', 'a & 16777215', -16777216], 2: ['S16', '(a & 16777215) >> 1', -16777215], 4: ['S', '(a & 16777215) >> 2', -16777213] }[size];
        this.emit(`a = (${address}) | 0; if ((a & ${mask}) === ${RAM} && (a & 16777215) < ${RAM_BYTES}) { ${view}[${index}] = ${value}; if (M[(a & 16777215) >> ${GRANULE}]) x.written(a); } else x.${slow}(a, ${value});`);
    }

    add(to, left, right) {
        this.emit(`p = ${left}; q = ${right}; t = (p + q) | 0; c = (t >>> 0) < (p >>> 0); v = ((p ^ t) & (q ^ t)) < 0; nz = t;`);
        this.flags = { nz: true, c: true, v: true };
        if (to !== null) this.set(to, 't');
    }

    subtract(to, left, right) {
        this.emit(`p = ${left}; q = ${right}; t = (p - q) | 0; c = (p >>> 0) >= (q >>> 0); v = ((p ^ q) & (p ^ t)) < 0; nz = t;`);
        this.flags = { nz: true, c: true, v: true };
        if (to !== null) this.set(to, 't');
    }

    withCarry(to, left, right, op) {
        const sum = op === '+' ? `(p >>> 0) + (q >>> 0) + (${this.carry()} ? 1 : 0)` : `(p >>> 0) - (q >>> 0) - (${this.carry()} ? 0 : 1)`;
        const over = op === '+' ? '((p ^ t) & (q ^ t)) < 0' : '((p ^ q) & (p ^ t)) < 0';
        this.emit(`p = ${left}; q = ${right}; s = ${sum}; t = s | 0; c = ${op === '+' ? 's > 4294967295' : 's >= 0'}; v = ${over}; nz = t;`);
        this.flags = { nz: true, c: true, v: true };
        this.set(to, 't');
    }

    condition(code) {
        const n = this.flags.nz ? '(nz < 0)' : 'core.N', z = this.flags.nz ? '(nz === 0)' : 'core.Z';
        const c = this.carry(), v = this.flags.v ? 'v' : 'core.V';
        const tests = [z, c, n, v, `(${c} && !${z})`, `(${n} === ${v})`, `(${n} === ${v} && !${z})`];
        return (code & 1 ? '!' : '') + tests[code >> 1];
    }

    // -- The walk: false when the trace ends here

    build() {
        let pc = this.start;
        while (this.count < LONGEST) {
            const op = this.read16(pc);
            this.pages.add(pc >> GRANULE);
            const next = this.instruction(pc, op);
            if (next === null) {
                // Not ours: the interpreter goes on from here.
                if (this.count === 0) return null;
                this.emit(this.leave(pc | 0));
                break;
            }
            this.count++;
            if (next === 'end') break;
            pc = next;
            if (this.count === LONGEST) this.emit(this.leave(pc | 0));
        }
        const registers = [...this.used].map((n) => `${reg(n)} = I[${n}]`);
        return `let ${['a = 0', 'h = 0', 'p = 0', 'q = 0', 't = 0', 's = 0', 'nz = 0', 'c = false', 'v = false', 'cyc = 0', ...registers].join(', ')};
${this.loops ? 'for (;;) {' : ''}
${this.lines.join('\n')}
${this.loops ? '}' : ''}`;
    }

    // Emits one instruction; returns the address of the next, 'end', or null if it is not ours.
    instruction(pc, op) {
        const next = pc + 2;
        const low = bits(op, 0, 3), mid = bits(op, 3, 3), high = bits(op, 6, 3);
        const top5 = op >> 11;
        if (top5 <= 2) return this.shift(next, top5, low, mid, bits(op, 6, 5));
        if (op >> 10 === 6) { // ADDS, SUBS: three registers or a small number
            const right = op & 0x400 ? String(high) : this.get(high);
            return this.addSubtract(next, bits(op, 9, 1), low, this.get(mid), bits(op, 10, 1) ? String(high) : right);
        }
        if (op >> 10 === 7) return this.addSubtract(next, bits(op, 9, 1), low, this.get(mid), String(high));
        if (top5 <= 7) return this.immediate(next, top5, bits(op, 8, 3), op & 255);
        if (op >> 10 === 16) return this.alu(next, bits(op, 6, 4), low, mid);
        if (op >> 10 === 17) return this.wide(pc, next, op);
        if (top5 === 9) return this.literal(pc, next, bits(op, 8, 3), ((pc + 4) & ~3) + ((op & 255) << 2));
        if (top5 <= 11) return this.memoryByRegister(next, bits(op, 9, 3), low, `${this.get(mid)} + ${this.get(high)}`);
        if (top5 <= 17) return this.memory(next, top5, low, mid, bits(op, 6, 5));
        if (top5 <= 19) { // STR, LDR: relative to SP
            const address = `${this.get(SP)} + ${(op & 255) << 2}`, r = bits(op, 8, 3);
            if (top5 === 19) this.load(r, address, 4);
            else this.stored(address, this.get(r), 4);
            return next;
        }
        if (top5 === 20) return this.plain(next, bits(op, 8, 3), String((((pc & ~3) + 4 + ((op & 255) << 2))) | 0));
        if (top5 === 21) return this.plain(next, bits(op, 8, 3), `(${this.get(SP)} + ${(op & 255) << 2}) | 0`);
        if (op >> 12 === 11) return this.miscellaneous(pc, next, op);
        if (op >> 12 === 12) return this.multiple(next, top5 === 25, bits(op, 8, 3), op & 255);
        if (op >> 12 === 13) return this.branchIf(next, bits(op, 8, 4), pc + 4 + (((op & 255) << 24) >> 23));
        if (top5 === 28) {
            const target = pc + 4 + (((op & 0x7ff) << 21) >> 20);
            return this.follow(target, 2);
        }
        if (top5 === 30) return this.long(pc, op, this.read16(next));
        return null;
    }

    plain(next, to, text) {
        this.set(to, text);
        this.cycles++;
        return next;
    }

    follow(target, cycles) {
        if (target === this.start) {
            this.emit(this.jump(target, cycles));
            return 'end';
        }
        if (!this.through) {
            this.emit(this.leave(target | 0, cycles));
            return 'end';
        }
        this.cycles += cycles;
        return target;
    }

    shift(next, kind, to, from, n) {
        const v = this.get(from);
        this.flags.nz = true;
        if (kind === 0 && n === 0) {
            this.set(to, v);
            this.nz(to);
            this.cycles++;
            return next;
        }
        const by = n || 32;
        this.emit(`p = ${v};`);
        const carry = kind === 0 ? `(p >>> ${32 - by} & 1) !== 0` : `(p >>> ${by - 1} & 1) !== 0`;
        this.emit(`c = ${carry};`);
        this.flags.c = true;
        const result = kind === 0 ? `p << ${by}` : kind === 1 ? (by === 32 ? '0' : `(p >>> ${by}) | 0`) : `p >> ${Math.min(by, 31)}`;
        this.set(to, result);
        this.nz(to);
        this.cycles++;
        return next;
    }

    addSubtract(next, minus, to, left, right) {
        if (minus) this.subtract(to, left, right);
        else this.add(to, left, right);
        this.cycles++;
        return next;
    }

    immediate(next, kind, r, n) {
        if (kind === 4) {
            this.set(r, String(n));
            this.nz(r);
        } else if (kind === 6) this.add(r, this.get(r), String(n));
        else this.subtract(kind === 5 ? null : r, this.get(r), String(n));
        this.cycles++;
        return next;
    }

    alu(next, kind, to, from) {
        const a = this.get(to), b = this.get(from);
        const logic = { 0: `${a} & ${b}`, 1: `${a} ^ ${b}`, 12: `${a} | ${b}`, 13: `Math.imul(${a}, ${b})`, 14: `${a} & ~${b}`, 15: `~${b}` }[kind];
        if (logic) {
            this.set(to, logic);
            this.nz(to);
        } else if (kind === 8) { // TST
            this.emit(`nz = ${a} & ${b};`);
            this.flags.nz = true;
        } else if (kind === 5) this.withCarry(to, a, b, '+');
        else if (kind === 6) this.withCarry(to, a, b, '-');
        else if (kind === 9) this.subtract(to, '0', b);
        else if (kind === 10) this.subtract(null, a, b);
        else if (kind === 11) this.add(null, a, b);
        else { // shifts by a register: no shift leaves the carry as it was
            const carry = this.carry();
            this.emit(`p = ${a}; s = ${b} & 255;`);
            const [result, out] = {
                2: ['s > 31 ? 0 : p << s', 's > 32 ? false : (p >>> (32 - s) & 1) !== 0'],
                3: ['s > 31 ? 0 : (p >>> s) | 0', 's > 32 ? false : (p >>> (s - 1) & 1) !== 0'],
                4: ['p >> (s > 31 ? 31 : s)', '(p >> (s > 31 ? 31 : s - 1) & 1) !== 0'],
                7: ['(p >>> (s & 31)) | (p << (32 - (s & 31)))', '(p >>> ((s - 1) & 31) & 1) !== 0'],
            }[kind];
            this.emit(`c = s === 0 ? ${carry} : ${out};`);
            this.flags.c = true;
            this.set(to, `s === 0 ? p : ${result}`);
            this.nz(to);
        }
        this.cycles++;
        return next;
    }

    // ADD, CMP, MOV of any register; BX, BLX.
    wide(pc, next, op) {
        const kind = bits(op, 8, 2), from = bits(op, 3, 4), to = ((op >> 4) & 8) | bits(op, 0, 3);
        if (kind === 3) {
            if (op & 7) return null;
            const target = this.get(from, pc);
            this.emit(`t = ${target};`);
            this.cycles += 2;
            if (op & 0x80) {
                this.set(LR, String(next | 1));
                this.emit(this.leave('t & -2'));
            } else {
                this.emit(`if ((t & -268435456) === -268435456) { ${this.save()} I[15] = ${next | 0}; core.BXWritePC(t >>> 0); return cyc + ${this.cycles}; }`);
                this.emit(this.leave('t & -2'));
            }
            return 'end';
        }
        if (kind === 1) {
            if (from === PC || to === PC) return null;
            this.subtract(null, this.get(to), this.get(from));
            this.cycles++;
            return next;
        }
        const text = kind === 0 ? `(${this.get(to, pc)} + ${this.get(from, pc)}) | 0` : this.get(from, pc);
        if (to === PC) {
            this.cycles += 2;
            this.emit(this.leave(`(${text}) & -2`));
            return 'end';
        }
        return this.plain(next, to, text);
    }

    literal(pc, next, to, address) {
        const known = this.constant(address);
        if (known === null) {
            this.load(to, String(address | 0), 4);
        } else {
            this.set(to, String(known | 0));
            this.cycles += 2;
        }
        return next;
    }

    stored(address, value, size) {
        this.store(address, value, size);
        this.cycles += 2;
    }

    memoryByRegister(next, kind, r, address) {
        if (kind <= 2) this.stored(address, this.get(r), [4, 2, 1][kind]);
        else this.load(r, address, { 3: 1, 4: 4, 5: 2, 6: 1, 7: 2 }[kind], kind === 3 || kind === 7);
        return next;
    }

    memory(next, kind, r, base, n) {
        const size = kind <= 13 ? 4 : kind <= 15 ? 1 : 2;
        const address = `${this.get(base)} + ${n * size}`;
        if (kind & 1) this.load(r, address, size);
        else this.stored(address, this.get(r), size);
        return next;
    }

    // PUSH, POP, extensions, REV, SP's arithmetic, CPS, hints.
    miscellaneous(pc, next, op) {
        const to = bits(op, 0, 3), from = bits(op, 3, 3);
        if (op >> 8 === 0xb0) return this.plain(next, SP, `(${this.get(SP)} ${op & 0x80 ? '-' : '+'} ${(op & 0x7f) << 2}) | 0`);
        if (op >> 8 === 0xb2) {
            const v = this.get(from);
            return this.plain(next, to, [`${v} << 16 >> 16`, `${v} << 24 >> 24`, `${v} & 65535`, `${v} & 255`][bits(op, 6, 2)]);
        }
        if (op >> 8 === 0xba && bits(op, 6, 2) !== 2) {
            const v = this.get(from), swapped = `((${v} & 0xff00ff) << 8 | (${v} >>> 8) & 0xff00ff)`;
            this.emit(`t = ${swapped};`);
            return this.plain(next, to, ['(t << 16 | t >>> 16)', 't', '', 't << 16 >> 16'][bits(op, 6, 2)]);
        }
        if (op >> 9 === 0x5a) return this.push(next, op & 255, op & 0x100);
        if (op >> 9 === 0x5e) return this.pop(next, op & 255, op & 0x100);
        if (op === 0xbf00) {
            this.cycles++;
            return next;
        }
        if (op === 0xb672) {
            this.emit('core.PM = true;');
            this.cycles++;
            return next;
        }
        if (op === 0xb662) return this.unmask(next, 'false', 1);
        return null;
    }

    // Interrupts may be let in: they are looked at before the next trace.
    unmask(next, masked, cycles) {
        this.cycles += cycles;
        this.emit(`core.PM = ${masked}; core.interruptsUpdated = true; ${this.leave(next | 0)}`);
        return 'end';
    }

    push(next, list, link) {
        const saved = [];
        for (let i = 0; i < 8; i++) if (list & (1 << i)) saved.push(i);
        this.cycles += 1 + saved.length;
        if (link) saved.push(LR);
        this.emit(`q = (${this.get(SP)} - ${4 * saved.length}) | 0;`);
        saved.forEach((r, i) => this.store(`q + ${4 * i}`, this.get(r), 4, 'writeWord'));
        this.set(SP, 'q');
        return next;
    }

    pop(next, list, link) {
        let n = 0;
        this.emit(`q = ${this.get(SP)};`);
        const before = this.cycles;
        for (let i = 0; i < 8; i++) if (list & (1 << i)) this.load(i, `q + ${4 * n++}`, 4, false, 'readWord');
        this.cycles = before + 1 + n;
        if (link) {
            const words = n++;
            this.emit(`a = (q + ${4 * words}) | 0; t = (a & -16777213) === ${RAM} && (a & 16777215) < ${RAM_BYTES} ? S[(a & 16777215) >> 2] : x.readWord(a);`);
            this.cycles += 2;
        }
        this.set(SP, `(q + ${4 * n}) | 0`);
        if (!link) return next;
        this.emit(`if ((t & -268435456) === -268435456) { ${this.save()} I[15] = ${next | 0}; core.BXWritePC(t >>> 0); return cyc + ${this.cycles}; }`);
        this.emit(this.leave('t & -2'));
        return 'end';
    }

    multiple(next, isLoad, base, list) {
        let n = 0;
        this.emit(`q = ${this.get(base)};`);
        const before = this.cycles;
        for (let i = 0; i < 8; i++) {
            if (!(list & (1 << i))) continue;
            if (isLoad) this.load(i, `q + ${4 * n}`, 4, false, 'readWord');
            else this.store(`q + ${4 * n}`, this.get(i), 4, 'writeWord');
            n++;
        }
        this.cycles = before + 1 + n;
        if (!(list & (1 << base))) this.set(base, `(q + ${4 * n}) | 0`);
        return next;
    }

    branchIf(next, code, target) {
        if (code >= 14) return null;
        this.cycles++;
        this.emit(`if (${this.condition(code)}) { ${this.jump(target, 1)} }`);
        return next;
    }

    // BL, barriers, MRS and MSR of PRIMASK.
    long(pc, op, op2) {
        if (op2 >> 14 === 3 && op2 & 0x1000) {
            const s = bits(op, 10, 1), i1 = 1 - (s ^ bits(op2, 13, 1)), i2 = 1 - (s ^ bits(op2, 11, 1));
            const offset = (s << 24 | i1 << 23 | i2 << 22 | (op & 0x3ff) << 12 | (op2 & 0x7ff) << 1) << 7 >> 7;
            this.set(LR, String((pc + 4) | 1));
            return this.follow((pc + 4 + offset) >>> 0, 3);
        }
        if (op === 0xf3bf && [0x8f40, 0x8f50, 0x8f60].includes(op2 & 0xfff0)) {
            this.cycles += 3;
            return pc + 4;
        }
        if (op === 0xf3ef && op2 >> 12 === 8 && (op2 & 255) === PRIMASK && bits(op2, 8, 4) < SP) {
            this.set(bits(op2, 8, 4), 'core.PM ? 1 : 0');
            this.cycles += 3;
            return pc + 4;
        }
        if (op >> 4 === 0xf38 && op2 === (0x8800 | PRIMASK)) {
            return this.unmask(pc + 4, `(${this.get(op & 15)} & 1) !== 0`, 3);
        }
        return null;
    }
}
