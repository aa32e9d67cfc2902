// What the kernels share. The sources are compiled as one module, this file first, with --fmad=false: every sum and
// product must round as on a CPU.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define ALL_LANES 0xffffffffu
#define NO_CLASS 0xffffffffu
#define LEVELS 256

__device__ inline int min_of(int a, int b) { return a < b ? a : b; }
__device__ inline int max_of(int a, int b) { return a > b ? a : b; }

// Maps of one pass: uint8 (maps, height, stride); pass position blockIdx.x works on map `selected[blockIdx.x]`. The
// row intervals of position k start where bit x of masks[k][y][x / 32] is set; bases[k][y][x / 32] counts the intervals
// before that word in raster order, so that an interval's number follows from a pixel by one popcount. `flipped`
// stands for the background: its values are 255 - grey.
struct Image {
    const u8 *pixels;
    const u32 *masks;
    const u32 *bases;
    int height, width, stride, words, flipped;

    __device__ int value(int y, int x) const {
        int grey = pixels[(size_t)y * stride + x];
        return flipped ? 255 - grey : grey;
    }
    __device__ u32 node(int y, int x) const {
        size_t word = (size_t)y * words + (x >> 5);
        return bases[word] + __popc(masks[word] & ((2u << (x & 31)) - 1u)) - 1u;
    }
    __device__ u32 row_start(int y, u32 nodes) const { return y < height ? bases[(size_t)y * words] : nodes; }
};

__device__ inline Image image_of(const u8 *maps, const int *selected, const u32 *masks, const u32 *bases, int position,
                                 int height, int width, int stride, int flipped) {
    int words = stride / 32;
    size_t cuts = (size_t)position * height * words;
    Image image = {maps + (size_t)selected[position] * height * stride,
                   masks + cuts,
                   bases + cuts,
                   height,
                   width,
                   stride,
                   words,
                   flipped};
    return image;
}
