// Kernels, callable by name: run(kernel, pointers to its arguments, ...) gives NULL or an error. Without KERNEL_NAMES,
// those of the metrics' engine.
#include "cuda_emulation.hpp"

#include KERNELS

#include <tuple>
#include <utility>

#ifndef KERNEL_NAMES
// Kernels with known faults, which the emulation must show.

extern "C" void reverse_without_barrier(int *values) {
    __shared__ int copies[64];
    copies[threadIdx.x] = values[threadIdx.x];
    values[threadIdx.x] = copies[63 - threadIdx.x];
}

extern "C" void reverse_with_barrier(int *values) {
    __shared__ int copies[64];
    copies[threadIdx.x] = values[threadIdx.x];
    __syncthreads();
    values[threadIdx.x] = copies[63 - threadIdx.x];
}

extern "C" void barrier_for_some(int *values) {
    if (threadIdx.x < 33) __syncthreads();
    values[threadIdx.x] = __shfl_sync(ALL_LANES, values[threadIdx.x], 0);
    __syncthreads();
}

extern "C" void lanes_that_part(int *values) {
    if (threadIdx.x % 2)
        values[threadIdx.x] = __shfl_sync(ALL_LANES, values[threadIdx.x], 0);
    else
        values[threadIdx.x] = (int)__ballot_sync(ALL_LANES, values[threadIdx.x]);
}

extern "C" void stray_write(int *values) { values[64 + threadIdx.x / 63] = 0; }

#endif

namespace {

template <typename... Arguments>
struct Call {
    void (*kernel)(Arguments...);
    void **arguments;

    template <std::size_t... Places>
    void apply(std::index_sequence<Places...>) const {
        kernel(*static_cast<Arguments *>(arguments[Places])...);
    }
    static void thread(void *self) { static_cast<Call *>(self)->apply(std::index_sequence_for<Arguments...>()); }
};

template <typename... Arguments>
const char *run_kernel(void (*kernel)(Arguments...), void **arguments, int count, unsigned blocks, unsigned threads,
                       int order, unsigned seed) {
    if (count != (int)sizeof...(Arguments)) return "the number of arguments is not that of the kernel";
    Call<Arguments...> call = {kernel, arguments};
    return emulation::launch(Call<Arguments...>::thread, &call, blocks, threads, order, seed);
}

template <typename Argument>
constexpr char code() {
    if (std::is_pointer<Argument>::value) return 'p';
    if (std::is_floating_point<Argument>::value) return 'd';
    return sizeof(Argument) == 8 ? 'l' : 'i';
}

template <typename... Arguments>
const char *signature_of(void (*)(Arguments...)) {
    static const char codes[] = {code<Arguments>()..., 0};
    return codes;
}

}  // namespace

#ifndef KERNEL_NAMES
#define KERNEL_NAMES(X)                                                                                        \
    X(quantise_float) X(quantise_double) X(cut_rows) X(join_intervals) X(merge_classes) X(fill_holes)          \
    X(class_attributes) X(empty_levels) X(box_levels) X(invalid_float) X(invalid_double) X(histogram_float)    \
    X(histogram_double) X(resize_axis) X(normalise_maps) X(clip_scores) X(clip_sound_maps) X(reverse_without_barrier)              \
    X(reverse_with_barrier) X(barrier_for_some) X(lanes_that_part) X(stray_write)
#endif

extern "C" const char *run(const char *name, void **arguments, int count, unsigned blocks, unsigned threads, int order,
                           unsigned seed) {
#define RUN(kernel) \
    if (!strcmp(name, #kernel)) return run_kernel(kernel, arguments, count, blocks, threads, order, seed);
    KERNEL_NAMES(RUN)
    return "no such kernel";
}

// One letter an argument: p pointer, i int, l long long, d double.
extern "C" const char *signature(const char *name) {
#define SIGNATURE(kernel) \
    if (!strcmp(name, #kernel)) return signature_of(kernel);
    KERNEL_NAMES(SIGNATURE)
    return nullptr;
}
