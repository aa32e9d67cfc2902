// Pixel-wise kernels: validity of score maps, and the histograms of PxAP.

template <typename Score>
__device__ void find_invalid(const Score *scores, i64 pixels, u8 *invalid) {
    scores += (size_t)blockIdx.x * pixels;
    int wrong = 0;
    for (i64 index = threadIdx.x; index < pixels; index += blockDim.x) {
        const Score score = scores[index];
        wrong |= !(score >= (Score)0 && score <= (Score)1);  // NaN too
    }
    wrong = __syncthreads_or(wrong);
    if (threadIdx.x == 0) invalid[blockIdx.x] = wrong != 0;
}

extern "C" __global__ void invalid_float(const float *scores, i64 pixels, u8 *invalid) {
    find_invalid(scores, pixels, invalid);
}

extern "C" __global__ void invalid_double(const double *scores, i64 pixels, u8 *invalid) {
    find_invalid(scores, pixels, invalid);
}

// Number of edges at or below a score: numpy.searchsorted(edges, score, side="right"), NaN last. On a grid of equal
// steps a guess is repaired with the true edges, whatever the guess; otherwise (scale <= 0) by bisection.
__device__ inline int bin_of(double score, const double *edges, int count, double scale) {
    if (!(score < edges[count - 1])) return count;
    if (scale > 0.0) {
        const double guess = score * scale;
        int bin = guess > 0.0 ? (guess < (double)count ? (int)guess + 1 : count) : 0;
        while (bin > 0 && score < edges[bin - 1]) --bin;
        while (bin < count && score >= edges[bin]) ++bin;
        return bin;
    }
    int low = 0, high = count - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (score < edges[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

#define SHARED_BINS 2048

// Where a block counts: in shared memory if the bins fit, otherwise straight in the result.
struct Counts {
    u32 *shared;
    u64 *counts;
    int bins;

    __device__ void add(int slot, u32 amount) const {
        if (bins <= SHARED_BINS)
            atomicAdd(&shared[slot], amount);
        else
            atomicAdd(&counts[slot], (u64)amount);
    }
};

// counts (2, edges + 1): object pixels, background pixels. A thread adds up runs of one bin before it counts them,
// since large parts of a map share a bin. At most 2^32 - 1 pixels a block.
template <typename Score>
__device__ void count_pixels(const Score *scores, const u8 *labels, i64 pixels, const double *edges, int count,
                             double scale, u32 *shared, u64 *counts) {
    const int bins = count + 1, slots = bins <= SHARED_BINS ? 2 * bins : 0;
    const Counts tally = {shared, counts, bins};
    for (int slot = threadIdx.x; slot < slots; slot += blockDim.x) shared[slot] = 0;
    __syncthreads();
    int known = -1;
    u32 run = 0;
    const i64 step = (i64)gridDim.x * blockDim.x;
    for (i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x; index < pixels; index += step) {
        const int label = labels[index];
        if (label > 1) continue;
        const int slot = (label == 1 ? 0 : bins) + bin_of((double)scores[index], edges, count, scale);
        if (slot != known && run) {
            tally.add(known, run);
            run = 0;
        }
        known = slot;
        ++run;
    }
    if (run) tally.add(known, run);
    __syncthreads();
    for (int slot = threadIdx.x; slot < slots; slot += blockDim.x)
        if (shared[slot]) atomicAdd(&counts[slot], (u64)shared[slot]);
}

extern "C" __global__ void histogram_float(const float *scores, const u8 *labels, i64 pixels, const double *edges,
                                           int count, double scale, u64 *counts) {
    __shared__ u32 shared[2 * SHARED_BINS];
    count_pixels(scores, labels, pixels, edges, count, scale, shared, counts);
}

extern "C" __global__ void histogram_double(const double *scores, const u8 *labels, i64 pixels, const double *edges,
                                            int count, double scale, u64 *counts) {
    __shared__ u32 shared[2 * SHARED_BINS];
    count_pixels(scores, labels, pixels, edges, count, scale, shared, counts);
}
