// SPDX-License-Identifier: GPL-2.0-only
//
// For builds with AddressSanitizer (tools/test/sanitize.sh), empty in others. MicroPython's
// exceptions leave frames in a way of their own, and what was marked around the variables of those
// frames would stay marked for whoever comes next on the stack. The linker puts this before the
// port's nlr_jump().

#include "py/nlr.h"

#include "port_compat.h"

#ifdef __has_feature // clang's way of saying so
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)

MP_NORETURN void __real_nlr_jump(void *val);
MP_NORETURN void __wrap_nlr_jump(void *val);
void __asan_handle_no_return(void);

MP_NORETURN void __wrap_nlr_jump(void *val) {
    __asan_handle_no_return();
    __real_nlr_jump(val);
}

#endif
