// SPDX-License-Identifier: GPL-2.0-only
// What is wired to the chip's pins: levels that are set from outside, and voltages at its ADC. Both
// outlive resets, as wires do. A pin that nothing drives follows its pull, and an output reads back.
const PADS = 0x4001c;
const PIN_COUNT = 30, ADC_CHANNELS = 5, ADC_MAX = 4095;
const PWM = 4, SIO = 5, NONE = 0x1f;
const FUNCTIONS = { 1: 'SPI', 2: 'UART', 3: 'I2C', [PWM]: 'PWM', 6: 'PIO', 7: 'PIO', 8: 'a clock', 9: 'USB' };

export class Pins {
    constructor() {
        this.driven = new Map(); // pin: true or false
        this.voltages = new Map(); // ADC channel: 0 to 4095
    }

    // To a chip that has just been powered.
    wire(chip) {
        this.chip = chip;
        const pads = chip.peripherals[PADS], { writeUint32 } = pads;
        pads.writeUint32 = (offset, value) => {
            writeUint32.call(pads, offset, value);
            const pin = (offset >> 2) - 1;
            if (chip.gpio[pin]) this.settle(pin);
        };
        for (let pin = 0; pin < PIN_COUNT; pin++) {
            chip.gpio[pin].addListener(() => this.settle(pin));
            this.settle(pin);
        }
        this.voltages.forEach((value, channel) => (chip.adc.channelValues[channel] = value));
    }

    settle(pin) {
        const gpio = this.chip.gpio[pin];
        const level = gpio.outputEnable ? gpio.outputValue
            : this.driven.get(pin) ?? (gpio.pullupEnabled && !gpio.pulldownEnabled);
        // Each call is an edge to rp2040js, whatever the level was.
        if (gpio.rawInputValue !== level) gpio.setInputValue(level);
    }

    gpio(pin) {
        if (!Number.isInteger(pin) || pin < 0 || pin >= PIN_COUNT) throw new Error(`there is no pin ${pin}: 0 to ${PIN_COUNT - 1}`);
        const gpio = this.chip.gpio[pin], { functionSelect } = gpio;
        if (functionSelect !== SIO && functionSelect !== NONE && functionSelect !== 0) {
            throw new Error(`pin ${pin} has no level that stays: it belongs to ${FUNCTIONS[functionSelect] ?? 'another function'}`);
        }
        return gpio;
    }

    // value: 0, 1, or null, which lets go of the pin
    set({ pin, value }) {
        if (this.gpio(pin).outputEnable) throw new Error(`pin ${pin} is an output of the program`);
        if (value === null) this.driven.delete(pin);
        else this.driven.set(pin, !!value);
        this.settle(pin);
    }

    read({ pin }) {
        const gpio = this.gpio(pin);
        return { value: +gpio.rawInputValue, output: gpio.outputEnable };
    }

    feed({ channel, value }) {
        if (!(channel in this.chip.adc.channelValues)) throw new Error(`there is no ADC channel ${channel}: 0 to ${ADC_CHANNELS - 1}`);
        if (!(value >= 0 && value <= ADC_MAX)) throw new Error(`an ADC takes 0 to ${ADC_MAX}, not ${value}`);
        this.voltages.set(channel, value);
        this.chip.adc.channelValues[channel] = value;
    }
}
