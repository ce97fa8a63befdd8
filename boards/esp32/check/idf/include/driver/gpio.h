// SPDX-License-Identifier: GPL-2.0-only
//
// A stand-in for a header of ESP-IDF: what MicroPython's headers and pymongoose name of it.
#ifndef PMG_CHECK_DRIVER_GPIO_H
#define PMG_CHECK_DRIVER_GPIO_H

#include <stdint.h>
#include "esp_err.h"
#include "esp_rom_gpio.h"
typedef int gpio_num_t;
typedef enum { GPIO_MODE_INPUT, GPIO_MODE_INPUT_OUTPUT, GPIO_MODE_INPUT_OUTPUT_OD } gpio_mode_t;
esp_err_t gpio_set_direction(gpio_num_t pin, gpio_mode_t mode);
esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level);
int gpio_get_level(gpio_num_t pin);

#endif
