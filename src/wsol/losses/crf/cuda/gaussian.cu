// W S of two channels: every row of W is summed as it is made, and never stored.
//
// Pixels come in tiles of 64 that are alike, with boxes around their features. A block of 64 threads owns four tiles of
// rows, each thread one pixel of each; it walks over all tiles of columns, 64 pixels at a time in shared memory, and
// leaves out those whose box is too far from its own. Nothing is added by two threads, so results do not vary.

#define TILE 64
#define ROWS 4
#define AXES 5

// Features scaled so that a weight is 2^-|difference|^2, and the values of both channels.
struct alignas(16) Pixel {
    float x, y, red, green, blue, first, second, unused;
};

// pixels (images, tiles, 64); low, high (images, tiles, 5); sums (images, tiles, 64, 2); limit: the largest squared
// distance of boxes that count. One block for each image and four tiles: images * ceil(tiles / 4).
extern "C" __global__ void __launch_bounds__(TILE)
    gaussian_rows(const Pixel *pixels, const float *low, const float *high, int tiles, double limit, float *sums) {
    __shared__ Pixel columns[TILE];
    const int groups = (tiles + ROWS - 1) / ROWS;
    const int image = blockIdx.x / groups, first_tile = blockIdx.x % groups * ROWS;
    const float farthest = (float)limit;
    pixels += (size_t)image * tiles * TILE;
    sums += (size_t)image * tiles * TILE * 2;
    low += (size_t)image * tiles * AXES;
    high += (size_t)image * tiles * AXES;

    Pixel rows[ROWS];
    float totals[ROWS][2], from[AXES], to[AXES];
#pragma unroll
    for (int row = 0; row < ROWS; ++row) {
        const int tile = first_tile + row < tiles ? first_tile + row : tiles - 1;
        rows[row] = pixels[tile * TILE + threadIdx.x];
        totals[row][0] = totals[row][1] = 0.0f;
#pragma unroll
        for (int axis = 0; axis < AXES; ++axis) {
            const float least = low[tile * AXES + axis], most = high[tile * AXES + axis];
            from[axis] = row == 0 || least < from[axis] ? least : from[axis];
            to[axis] = row == 0 || most > to[axis] ? most : to[axis];
        }
    }

    for (int tile = 0; tile < tiles; ++tile) {
        float distance = 0.0f;
#pragma unroll
        for (int axis = 0; axis < AXES; ++axis) {
            const float above = low[tile * AXES + axis] - to[axis], below = from[axis] - high[tile * AXES + axis];
            const float gap = above > below ? above : below;
            distance += gap > 0.0f ? gap * gap : 0.0f;
        }
        if (distance > farthest) continue;  // the same for the whole block
        __syncthreads();
        columns[threadIdx.x] = pixels[tile * TILE + threadIdx.x];
        __syncthreads();
        // Sums of a tile first: adding fifty thousand numbers one by one would cost a digit.
        float parts[ROWS][2] = {};
#pragma unroll 4
        for (int column = 0; column < TILE; ++column) {
            const Pixel other = columns[column];
#pragma unroll
            for (int row = 0; row < ROWS; ++row) {
                const float x = rows[row].x - other.x, y = rows[row].y - other.y;
                const float red = rows[row].red - other.red, green = rows[row].green - other.green;
                const float blue = rows[row].blue - other.blue;
                const float weight = exp2f(-(x * x + y * y + red * red + green * green + blue * blue));
                parts[row][0] += weight * other.first;
                parts[row][1] += weight * other.second;
            }
        }
#pragma unroll
        for (int row = 0; row < ROWS; ++row) {
            totals[row][0] += parts[row][0];
            totals[row][1] += parts[row][1];
        }
    }
#pragma unroll
    for (int row = 0; row < ROWS; ++row)
        if (first_tile + row < tiles) {
            const size_t place = ((size_t)(first_tile + row) * TILE + threadIdx.x) * 2;
            sums[place] = totals[row][0];
            sums[place + 1] = totals[row][1];
        }
}
