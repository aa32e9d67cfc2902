// CUDA's execution model on one CPU thread: enough to run the engine's kernels unchanged, slowly and strictly.
//
// The threads of a block are fibers; a barrier, a warp-wide operation and (in random order) an atomic give way to the
// others. Blocks run one after the other. What a GPU leaves undefined is made to show: shared memory is filled with
// noise before each block, fibers can run forwards, backwards or in random order, a warp-wide operation that not all
// its lanes reach, or reach differently, is an error, and so is a block in which nobody can go on.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#define __global__
#define __device__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("emulated_shared")))
extern "C" char __start_emulated_shared[], __stop_emulated_shared[];

struct Index {
    unsigned x;
};
static Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulation {

enum class Order { forwards, backwards, random };
enum class Wait { none, block, warp, done };

struct Fiber {
    ucontext_t start;
    jmp_buf where;
    std::vector<char> stack;
    bool begun = false;
    Wait wait = Wait::none;
    unsigned operations = 0;
};

struct Warp {
    int operation;
    unsigned mask, arrived;
    uint64_t values[2][32];
};

static std::vector<Fiber> fibers;
static std::vector<Warp> warps;
static unsigned threads, current, at_barrier, alive, barriers;
static int barrier_or[2];
static jmp_buf scheduler;
static void (*body)(void *);
static void *body_arguments;
static Order order;
static std::mt19937 noise;
static std::string failure;

[[noreturn]] static void fail(const std::string &reason) {
    failure = reason + " (block " + std::to_string(blockIdx.x) + ", thread " + std::to_string(current) + ")";
    longjmp(scheduler, 2);
}

__attribute__((noinline)) static void give_way() {
    if (_setjmp(fibers[current].where) == 0) _longjmp(scheduler, 1);
}

static void release_block() {
    at_barrier = 0;
    barrier_or[++barriers & 1] = 0;
    for (unsigned thread = 0; thread < threads; ++thread)
        if (fibers[thread].wait == Wait::block) fibers[thread].wait = Wait::none;
}

// A fiber serves the same thread of one block after the other.
static void fiber_main() {
    for (;;) {
        body(body_arguments);
        fibers[current].wait = Wait::done;
        if (--alive > 0 && at_barrier == alive) release_block();
        give_way();
    }
}

__attribute__((noinline)) static int barrier(int predicate) {
    const unsigned now = barriers;
    barrier_or[now & 1] |= predicate;
    fibers[current].wait = Wait::block;
    if (++at_barrier == alive) {
        release_block();
        return barrier_or[now & 1];
    }
    give_way();
    return barrier_or[now & 1];
}

// The values of all lanes of a warp that take part, once each has given its own.
__attribute__((noinline)) static const uint64_t *exchange(int operation, unsigned mask, uint64_t value) {
    Warp &warp = warps[current / 32];
    const unsigned lane = current % 32;
    uint64_t *values = warp.values[fibers[current].operations++ & 1];
    if (!(mask >> lane & 1)) fail("a lane calls a warp-wide operation that its mask leaves out");
    if (warp.arrived == 0) {
        warp.operation = operation;
        warp.mask = mask;
    } else if (warp.operation != operation || warp.mask != mask) {
        fail("lanes of a warp meet in different warp-wide operations");
    }
    values[lane] = value;
    warp.arrived |= 1u << lane;
    fibers[current].wait = Wait::warp;
    if (warp.arrived == mask) {
        warp.arrived = 0;
        for (unsigned other = 0; other < 32; ++other)
            if (mask >> other & 1) fibers[current / 32 * 32 + other].wait = Wait::none;
        return values;
    }
    give_way();
    return values;
}

static void maybe_give_way() {
    if (order == Order::random && noise() % 4 == 0) give_way();
}

template <typename Value>
uint64_t bits(Value value) {
    uint64_t result = 0;
    memcpy(&result, &value, sizeof value);
    return result;
}

template <typename Value>
Value from_bits(uint64_t value) {
    Value result;
    memcpy(&result, &value, sizeof result);
    return result;
}

static void resume(unsigned thread) {
    current = thread;
    threadIdx.x = thread;
    Fiber &fiber = fibers[thread];
    if (_setjmp(scheduler) != 0) return;
    if (fiber.begun) _longjmp(fiber.where, 1);
    fiber.begun = true;
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.data();
    fiber.start.uc_stack.ss_size = fiber.stack.size();
    fiber.start.uc_link = nullptr;
    makecontext(&fiber.start, fiber_main, 0);
    setcontext(&fiber.start);
}

static void fill_shared_memory() {
    uint64_t state = noise() | 1u;
    for (char *byte = __start_emulated_shared; byte < __stop_emulated_shared; byte += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(byte, &state, std::min<std::size_t>(8, __stop_emulated_shared - byte));
    }
}

static void run_block() {
    fill_shared_memory();
    at_barrier = barriers = 0;
    barrier_or[0] = barrier_or[1] = 0;
    alive = threads;
    for (Warp &warp : warps) warp.arrived = 0;
    for (unsigned thread = 0; thread < threads; ++thread) {
        fibers[thread].wait = Wait::none;
        fibers[thread].operations = 0;
    }
    std::vector<unsigned> ready;
    while (alive > 0) {
        ready.clear();
        for (unsigned thread = 0; thread < threads; ++thread)
            if (fibers[thread].wait == Wait::none) ready.push_back(thread);
        if (ready.empty()) {
            current = 0;
            failure = "no thread can go on: a barrier is not reached by all of block " + std::to_string(blockIdx.x);
            return;
        }
        if (order == Order::backwards) std::reverse(ready.begin(), ready.end());
        if (order == Order::random) {
            std::shuffle(ready.begin(), ready.end(), noise);
            ready.resize(1 + noise() % ready.size());
        }
        for (unsigned thread : ready) {
            resume(thread);
            if (!failure.empty()) return;
        }
    }
}

static const char *launch(void (*kernel)(void *), void *arguments, unsigned blocks, unsigned block_threads,
                          int chosen_order, unsigned seed) {
    failure.clear();
    if (blocks == 0 || block_threads == 0 || block_threads > 1024) return "no such launch";
    threads = block_threads;
    order = (Order)chosen_order;
    noise.seed(seed);
    body = kernel;
    body_arguments = arguments;
    while (fibers.size() < threads) {
        fibers.emplace_back();
        fibers.back().stack.resize(30000 + 64 * (fibers.size() % 64));  // uneven, for the sake of the caches
    }
    warps.assign((threads + 31) / 32, Warp());
    blockDim.x = threads;
    gridDim.x = blocks;
    for (unsigned block = 0; block < blocks && failure.empty(); ++block) {
        blockIdx.x = block;
        run_block();
    }
    if (failure.empty()) return nullptr;
    for (Fiber &fiber : fibers) fiber.begun = false;  // they may be anywhere in the kernel
    return failure.c_str();
}

}  // namespace emulation

static void __syncthreads() { emulation::barrier(0); }
static int __syncthreads_or(int predicate) { return emulation::barrier(predicate != 0); }
static void __syncwarp(unsigned mask = 0xffffffffu) { emulation::exchange(0, mask, 0); }

static unsigned __ballot_sync(unsigned mask, int predicate) {
    const uint64_t *values = emulation::exchange(1, mask, predicate != 0);
    unsigned result = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
        if (mask >> lane & 1 && values[lane]) result |= 1u << lane;
    return result;
}

template <typename Value>
Value __shfl_sync(unsigned mask, Value value, int lane) {
    return emulation::from_bits<Value>(emulation::exchange(2, mask, emulation::bits(value))[lane & 31]);
}

template <typename Value>
Value __shfl_up_sync(unsigned mask, Value value, unsigned steps) {
    const unsigned lane = emulation::current % 32;
    const uint64_t *values = emulation::exchange(3, mask, emulation::bits(value));
    return lane < steps ? value : emulation::from_bits<Value>(values[lane - steps]);
}

template <typename Value>
Value __shfl_down_sync(unsigned mask, Value value, unsigned steps) {
    const unsigned lane = emulation::current % 32;
    const uint64_t *values = emulation::exchange(4, mask, emulation::bits(value));
    return lane + steps > 31 ? value : emulation::from_bits<Value>(values[lane + steps]);
}

template <typename Value>
Value atomicAdd(Value *address, Value amount) {
    emulation::maybe_give_way();
    const Value old = *address;
    *address = old + amount;
    return old;
}

template <typename Value>
Value atomicMax(Value *address, Value value) {
    emulation::maybe_give_way();
    const Value old = *address;
    *address = value > old ? value : old;
    return old;
}

template <typename Value>
Value atomicCAS(Value *address, Value expected, Value value) {
    emulation::maybe_give_way();
    const Value old = *address;
    if (old == expected) *address = value;
    return old;
}

static inline int __popc(unsigned value) { return __builtin_popcount(value); }
static inline int __clz(unsigned value) { return value ? __builtin_clz(value) : 32; }
static inline int __ffs(unsigned value) { return __builtin_ffs((int)value); }

static inline unsigned __vmaxu4(unsigned first, unsigned second) {
    unsigned result = 0;
    for (int byte = 0; byte < 32; byte += 8)
        result |= std::max(first >> byte & 255u, second >> byte & 255u) << byte;
    return result;
}
