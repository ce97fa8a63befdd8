// SPDX-License-Identifier: GPL-2.0-only
// Cycles by function. The translator ends its traces at calls while one of these is attached, so
// that each lies in one function; how long they take stays the same.
import fs from 'node:fs';

const REGIONS = { 0x00: 0x4000, 0x10: 2 << 20, 0x20: 264 * 1024 }; // bytes, by an address's top byte
const FUNCTION = 2, SYMBOL_TABLE = 2;

// The functions of a 32-bit ELF file, by address.
function functionsOf(file) {
    const data = fs.readFileSync(file);
    const sections = data.readUInt32LE(0x20), size = data.readUInt16LE(0x2e);
    const section = (i) => sections + i * size;
    const found = [];
    for (let i = 0; i < data.readUInt16LE(0x30); i++) {
        if (data.readUInt32LE(section(i) + 4) !== SYMBOL_TABLE) continue;
        const at = data.readUInt32LE(section(i) + 16), bytes = data.readUInt32LE(section(i) + 20);
        const names = data.readUInt32LE(section(data.readUInt32LE(section(i) + 24)) + 16);
        for (let s = at; s < at + bytes; s += 16) {
            if ((data[s + 12] & 15) !== FUNCTION) continue;
            const name = names + data.readUInt32LE(s);
            found.push({ from: (data.readUInt32LE(s + 4) & ~1) >>> 0, name: data.toString('latin1', name, data.indexOf(0, name)) });
        }
    }
    return found.sort((a, b) => a.from - b.from);
}

export class Profile {
    // `elf` may be missing: then rows are addresses.
    constructor(file, elf) {
        this.file = file;
        this.functions = fs.existsSync(elf) ? functionsOf(elf) : [];
        this.cycles = {};
        this.entries = {};
        for (const [top, bytes] of Object.entries(REGIONS)) {
            this.cycles[top] = new Float64Array(bytes >> 1);
            this.entries[top] = new Float64Array(bytes >> 1);
        }
    }

    count(pc, cycles) {
        const index = (pc & 0xffffff) >> 1, top = pc >>> 24;
        this.cycles[top][index] += cycles;
        this.entries[top][index]++;
    }

    nameOf(address) {
        let low = 0, high = this.functions.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (this.functions[middle].from <= address) low = middle + 1;
            else high = middle;
        }
        const found = this.functions[low - 1];
        return found && found.from >>> 24 === address >>> 24 ? found : null;
    }

    // Writes what was counted since the last call: cycles, entries, function; the dearest first.
    write() {
        const rows = new Map();
        for (const [top, cycles] of Object.entries(this.cycles)) {
            cycles.forEach((n, i) => {
                if (!n) return;
                const address = top * 0x1000000 + 2 * i, owner = this.nameOf(address);
                const name = owner ? owner.name : '0x' + address.toString(16);
                const row = rows.get(name) ?? { cycles: 0, entries: 0 };
                row.cycles += n;
                if (!owner || owner.from === address) row.entries += this.entries[top][i];
                rows.set(name, row);
            });
            cycles.fill(0);
            this.entries[top].fill(0);
        }
        const sorted = [...rows].sort((a, b) => b[1].cycles - a[1].cycles);
        fs.writeFileSync(this.file, sorted.map(([name, row]) => `${row.cycles}\t${row.entries}\t${name}\n`).join(''));
    }
}
