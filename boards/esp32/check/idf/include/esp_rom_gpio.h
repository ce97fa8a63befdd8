// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_ESP_ROM_GPIO_H
#define PMG_CHECK_ESP_ROM_GPIO_H

#include <stdint.h>
void esp_rom_gpio_pad_select_gpio(uint32_t pin);

#endif
