// Upsampling and min-max normalisation, operation for operation as wsol.attribution.postprocess does it on a CPU.

// One axis of a separable kernel: maps (outer, old, inner) to (outer, fresh, inner), taps summed in order.
extern "C" __global__ void resize_axis(const double *maps, i64 total, int old, int fresh, int inner, int taps,
                                       const int *indices, const double *weights, double *result) {
    const i64 step = (i64)gridDim.x * blockDim.x;
    for (i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x; index < total; index += step) {
        const int column = (int)(index % inner);
        const i64 line = index / inner;
        const int place = (int)(line % fresh);
        const double *source = maps + (size_t)(line / fresh) * old * inner + column;
        double sum = source[(size_t)indices[place] * inner] * weights[place];
        for (int tap = 1; tap < taps; ++tap)
            sum += source[(size_t)indices[(size_t)tap * fresh + place] * inner] * weights[(size_t)tap * fresh + place];
        result[index] = sum;
    }
}

// Each map by its own minimum and maximum, in place; zero if a value is not finite or the range is not above
// `rounding` times the largest magnitude.
extern "C" __global__ void normalise_maps(double *maps, i64 pixels, double rounding) {
    __shared__ double lows[256], highs[256];
    maps += (size_t)blockIdx.x * pixels;
    double low = maps[0], high = maps[0];
    int missing = 0;
    for (i64 index = threadIdx.x; index < pixels; index += blockDim.x) {
        const double value = maps[index];
        missing |= value != value;
        low = value < low ? value : low;
        high = value > high ? value : high;
    }
    lows[threadIdx.x] = low;
    highs[threadIdx.x] = high;
    missing = __syncthreads_or(missing);
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) {
            if (lows[threadIdx.x + half] < lows[threadIdx.x]) lows[threadIdx.x] = lows[threadIdx.x + half];
            if (highs[threadIdx.x + half] > highs[threadIdx.x]) highs[threadIdx.x] = highs[threadIdx.x + half];
        }
        __syncthreads();
    }
    low = lows[0];
    high = highs[0];
    const double span = high - low;
    const double magnitude = fabs(low) > fabs(high) ? fabs(low) : fabs(high);
    const bool varies = !missing && span - span == 0.0 && span > rounding * magnitude;
    for (i64 index = threadIdx.x; index < pixels; index += blockDim.x)
        maps[index] = varies ? (maps[index] - low) / span : 0.0;
}

extern "C" __global__ void clip_scores(double *maps, i64 total) {
    const i64 step = (i64)gridDim.x * blockDim.x;
    for (i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x; index < total; index += step) {
        const double value = maps[index];
        maps[index] = value < 0.0 ? 0.0 : value > 1.0 ? 1.0 : value;
    }
}

// Each map cut off to [0, 1], in place; zero if a value is not finite.
extern "C" __global__ void clip_sound_maps(double *maps, i64 pixels) {
    maps += (size_t)blockIdx.x * pixels;
    int unsound = 0;
    for (i64 index = threadIdx.x; index < pixels; index += blockDim.x) unsound |= maps[index] - maps[index] != 0.0;
    unsound = __syncthreads_or(unsound);
    for (i64 index = threadIdx.x; index < pixels; index += blockDim.x) {
        const double value = unsound ? 0.0 : maps[index];
        maps[index] = value < 0.0 ? 0.0 : value > 1.0 ? 1.0 : value;
    }
}
