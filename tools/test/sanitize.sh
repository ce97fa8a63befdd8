#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Build both targets with AddressSanitizer and UndefinedBehaviorSanitizer and run the suite on them,
# side by side: sanitize.sh [K], where K picks tests as in make test. Without it, all tests of targets
# run but the one that builds, which runs a build of its own; and beside them the tests with threads
# run once more on a CPython build with ThreadSanitizer. sanitize --threads runs these alone.
# gcc's sanitizers, or with CC=clang those of clang, whose UBSan sees more: a pointer of NULL that
# something is added to, a function called by another type.
#
# Our own C and Mongoose are instrumented, the rest of MicroPython is not: it would report nothing
# of ours and triple the time. Leaks are found by the suite itself, which wants all live counters at
# zero when a script ends. unix waits by poll(), as on systems without epoll, so that both backends
# run here.
set -eu

cd "$(dirname "$0")/../.."
top=$PWD
case ${CC:-gcc} in
*clang*) compiler=clang kind=-clang ;;
*) compiler=gcc kind= ;;
esac
export CC=$compiler
cpython=build/cpython-sanitize$kind
unix=build/unix-sanitize$kind

# clang links its library into the program unless told otherwise.
shared=
library=$(gcc -print-file-name=libasan.so)
if [ "$compiler" = clang ]; then
    shared=-shared-libsan
    library=$(clang -print-file-name="libclang_rt.asan-$(uname -m).so")
fi

# Python itself is not instrumented: a sanitizer's library comes first by hand.
wrap() { # BUILD_DIR LIBRARY
    cat >"$1/python" <<END
#!/bin/sh
exec env PYTHONPATH="\${PYTHONPATH:+\$PYTHONPATH:}$top/$1/site" PYTHONMALLOC=malloc \\
    LD_PRELOAD=$2 $top/.venv/bin/python "\$@"
END
    chmod +x "$1/python"
    "$1/python" -c 'import _pymongoose; assert "sanitize" in _pymongoose.__file__'
}

# What threads share without the GIL to part them: TlsOpts with mbedTLS, and the queue of wake-ups.
# Python's own locks are seen, since they are those of pthreads. (gcc's alone: that of clang cannot
# be loaded into a Python that was built without it.)
threads=build/cpython-sanitize-threads
build_threads() {
    CC=gcc tools/build/cpython.sh "$threads" "-fsanitize=thread -fno-omit-frame-pointer -O1 -g"
    wrap "$threads" "$(gcc -print-file-name=libtsan.so)"
}
run_threads() {
    TSAN_OPTIONS=exitcode=66 PMG_TEST_CPYTHON="$threads/python" PMG_TEST_SLOWNESS=4 \
        exec .venv/bin/python -m pytest --target cpython \
        tests/tls/test_tls_threads.py tests/core/test_wakeup.py tests/core/test_workers.py
}
if [ "${1:-}" = --threads ]; then
    build_threads
    run_threads
fi

sanitize=-fsanitize=address,undefined
flags="$sanitize -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1 -g"

# Where there are no arguments, what Cython writes adds 0 to NULL, which is no business of ours.
generated=
if [ "$compiler" = clang ]; then
    mkdir -p "$cpython"
    printf '[pointer-overflow]\nsrc:*/_pymongoose.c\n' >"$cpython/ignored"
    generated="-fsanitize-ignorelist=$top/$cpython/ignored"
fi
tools/build/cpython.sh "$cpython" "$flags${shared:+ $shared}${generated:+ $generated}"
tools/build/unix.sh "$unix" CC="$compiler" PMG_CFLAGS="$flags -DPMG_IO_POLL=1" \
    LDFLAGS_EXTRA="$sanitize -Wl,--wrap=nlr_jump"

# MicroPython's collector looks for pointers on the real stack, not on a fake one of ASan's. Both
# Pythons are to see the failure of an allocation that is too large.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1
export PMG_TEST_CPYTHON="$cpython/python" PMG_TEST_UNIX="$unix/micropython" PMG_TEST_SLOWNESS=4
wrap "$cpython" "$library"

if [ $# -gt 0 ]; then
    exec .venv/bin/python tools/test/suite.py "cpython unix" tests --only targets -k "$1"
fi

build_threads
mkdir -p build/suite
run_threads >build/suite/threads.log 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null || true' EXIT
failed=0
.venv/bin/python tools/test/suite.py "cpython unix" tests --only targets -k "not new_row" || failed=1
wait "$beside" || failed=1
trap - EXIT
printf '\n== threads, with ThreadSanitizer\n'
cat build/suite/threads.log
exit "$failed"
