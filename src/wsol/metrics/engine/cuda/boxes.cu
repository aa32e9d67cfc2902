// From a merge tree to boxes and their IoU at every level.
//
// An arc is a component between two merges. A component is connected, so its projections on the axes are intervals;
// with the maxima of its columns and rows (classes: elementwise maxima where they merge) the box at level t grows from
// its peak while the neighbour just outside is above t, and stays as it is down to the largest of the four neighbours:
// one IoU for each change of a box.

// Column and row maxima (uint8, padded to 4), a column and a row of the peak (seeds) and, where components compete
// for the largest area, histograms of the levels at which 2x2 blocks gain half a pixel of area, for each class.
extern "C" __global__ void __launch_bounds__(256)
    class_attributes(const u8 *maps, const int *selected, int height, int width, int stride, int flipped,
                     const u32 *masks, const u32 *bases, const u32 *counts, const i64 *node_offsets, const u32 *peaks,
                     const u32 *labels, const u32 *class_peaks, const u32 *class_counts, const i64 *class_offsets,
                     const i64 *area_offsets, const u32 *contested, u8 *maxima, u32 *seeds, u32 *areas) {
    if (class_counts[blockIdx.x] <= (u32)flipped) return;  // nothing but the frame
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    const Image image = image_of(maps, selected, masks, bases, blockIdx.x, height, width, stride, flipped);
    const u32 nodes = counts[blockIdx.x];
    const u32 frame = flipped ? 0u : NO_CLASS;
    const int columns = (width + 3) / 4 * 4, span = columns + (height + 3) / 4 * 4;
    peaks += node_offsets[blockIdx.x];
    labels += node_offsets[blockIdx.x];
    class_peaks += node_offsets[blockIdx.x];
    maxima += class_offsets[blockIdx.x] * span;
    seeds += class_offsets[blockIdx.x] * 2;
    for (int x = threadIdx.x; x < width; x += blockDim.x) {  // a thread owns a column, so nothing is atomic
        u32 label = NO_CLASS;
        int largest = 0;
        for (int y = 0; y <= height; ++y) {
            const int value = y < height ? image.value(y, x) : 0;
            const u32 here = value > 0 ? labels[image.node(y, x)] : NO_CLASS;
            if (here != label) {
                if (label != NO_CLASS && label != frame) {
                    u8 *known = maxima + (size_t)label * span + x;
                    if (largest > *known) *known = (u8)largest;
                    if ((u32)largest == class_peaks[label]) seeds[2 * label] = x;
                }
                label = here;
                largest = 0;
            }
            largest = max_of(largest, value);
        }
    }
    for (int y = threadIdx.x; y < height; y += blockDim.x)
        for (u32 node = image.row_start(y, nodes); node < image.row_start(y + 1, nodes); ++node) {
            const u32 label = labels[node], peak = peaks[node];
            if (label == NO_CLASS || label == frame) continue;
            u8 *known = maxima + (size_t)label * span + columns + y;
            if (peak > *known) *known = (u8)peak;
            if (peak == class_peaks[label]) seeds[2 * label + 1] = y;
        }
    if (area_offsets[blockIdx.x] < 0) return;
    // Twice the area of a filled polygon through pixel centres is, over 2x2 blocks, [v1 > t] + [v2 > t] for the two
    // smallest of the four values; the block belongs to the class of its largest pixel.
    areas += area_offsets[blockIdx.x] * LEVELS;
    const int lowest = contested[blockIdx.x];
    for (int y = warp; y < height - 1; y += warps)
        for (int x = lane; x < width - 1; x += 32) {
            const int a = image.value(y, x), b = image.value(y, x + 1);
            const int c = image.value(y + 1, x), d = image.value(y + 1, x + 1);
            const int low_upper = min_of(a, b), high_upper = max_of(a, b);
            const int low_lower = min_of(c, d), high_lower = max_of(c, d);
            const int third = min_of(max_of(low_upper, low_lower), min_of(high_upper, high_lower));
            if (third <= lowest) continue;
            const int fourth = min_of(low_upper, low_lower);
            const bool up = high_upper >= high_lower;
            const bool left = up ? a >= b : c >= d;
            u32 *area = areas + (size_t)labels[image.node(up ? y : y + 1, left ? x : x + 1)] * LEVELS;
            atomicAdd(&area[third], 1u);
            if (fourth > lowest) atomicAdd(&area[fourth], 1u);
        }
}

// Best IoU of a box with the ground truth, both corners inside; in the order of operations of wsol.metrics.iou.
__device__ inline double best_overlap(double x0, double y0, double x1, double y1, const double *truth, int count) {
    double best = 0.0;
    const double own = (x1 - x0 + 1.0) * (y1 - y0 + 1.0);
    for (int index = 0; index < count; ++index, truth += 4) {
        double width = (x1 < truth[2] ? x1 : truth[2]) - (x0 > truth[0] ? x0 : truth[0]) + 1.0;
        double height = (y1 < truth[3] ? y1 : truth[3]) - (y0 > truth[1] ? y0 : truth[1]) + 1.0;
        const double both = (width > 0.0 ? width : 0.0) * (height > 0.0 ? height : 0.0);
        const double either = own + (truth[2] - truth[0] + 1.0) * (truth[3] - truth[1] + 1.0) - both;
        const double overlap = either > 0.0 ? both / either : 0.0;
        best = overlap > best ? overlap : best;
    }
    return best;
}

// The tables (rows, maps, 256) before any box: 0, and from the map's maximum on the IoU of the empty box [0, 0, 0, 0].
extern "C" __global__ void empty_levels(const u32 *maxima, const double *truths, const int *truth_offsets, int maps,
                                        int rows, double *values) {
    const int first = truth_offsets[blockIdx.x];
    const double empty =
        best_overlap(0.0, 0.0, 0.0, 0.0, truths + 4 * (size_t)first, truth_offsets[blockIdx.x + 1] - first);
    for (int level = threadIdx.x; level < LEVELS; level += blockDim.x)
        for (int row = 0; row < rows; ++row)
            values[((size_t)row * maps + blockIdx.x) * LEVELS + level] = level < (int)maxima[blockIdx.x] ? 0.0 : empty;
}

struct Tree {
    const u32 *labels, *links, *merge_levels;
};

// First pixel above t, from column x on, of the component that `component` stands for at level t, in row y.
__device__ int first_pixel(const Image &image, const Tree &tree, u32 component, int y, int x, int t) {
    for (; x < image.width; ++x) {
        if (image.value(y, x) <= t) continue;
        u32 label = tree.labels[image.node(y, x)];
        while ((int)tree.merge_levels[label] > t) label = tree.links[label];
        if (label == component) break;
    }
    return x;
}

// The box of a component and the level below which its present arc lies.
struct State {
    int x0, y0, x1, y1, top;
};

// Tables over levels of one map, in shared memory. Lane l alone reads and writes the levels t with t % 32 == l.
struct Tables {
    double all[LEVELS], external[LEVELS], largest[LEVELS];
    u32 winner_area[LEVELS], winner[LEVELS], winner_corner[LEVELS], area[LEVELS];
};

struct Scorer {
    Image image;
    Tree tree;
    const double *truth;
    int truths, inclusive, all, largest, external, contested, columns, span;
    const u8 *maxima;
    const u32 *areas;
    Tables *tables;

    // Twice the area at the levels t of this lane in bottom...255, from the histogram of a component.
    __device__ void measure(u32 component, int bottom) const {
        const int lane = threadIdx.x & 31;
        u32 above = 0;
        for (int group = 7; group >= bottom / 32; --group) {
            const u32 gained = areas[(size_t)component * LEVELS + 32 * group + lane];
            u32 sum = gained;
            for (int step = 1; step < 32; step *= 2) {
                const u32 other = __shfl_down_sync(ALL_LANES, sum, step);
                if (lane + step < 32) sum += other;
            }
            tables->area[32 * group + lane] = above + sum - gained;
            above += __shfl_sync(ALL_LANES, sum, 0);
        }
    }

    // Ties go to the component whose first pixel in raster order comes last.
    __device__ bool wins(u32 component, const State &box, int t, u32 area) const {
        Tables &known = *tables;
        if (known.winner_area[t] != area) return known.winner_area[t] < area;
        const int y = known.winner_corner[t] >> 16;
        if (box.y0 != y) return box.y0 > y;
        const int x = first_pixel(image, tree, known.winner[t], y, known.winner_corner[t] & 0xffffu, t);
        known.winner_corner[t] = ((u32)y << 16) | (u32)x;
        return first_pixel(image, tree, component, y, box.x0, t) > x;
    }

    __device__ void record(u32 component, const State &box, int low, int high) const {
        const int lane = threadIdx.x & 31;
        const int grown = image.flipped, beyond = inclusive ? 0 : 1;
        const double overlap =
            best_overlap(box.x0 - grown, box.y0 - grown, min_of(box.x1 + grown + beyond, image.width - 1),
                         min_of(box.y1 + grown + beyond, image.height - 1), truth, truths);
        if (image.flipped) {  // {255 - grey > s} is the background {grey <= t} at t = 254 - s
            const int level = 254 - low;
            low = 254 - high;
            high = level;
        }
        Tables &known = *tables;
        for (int t = high - ((high - lane) & 31); t >= low; t -= 32) {
            if (all && overlap > known.all[t]) known.all[t] = overlap;
            if (external && overlap > known.external[t]) known.external[t] = overlap;
            if (!largest) continue;
            const u32 area = t >= contested ? known.area[t] + 1u : 1u;  // 0 stands for none yet
            if (!wins(component, box, t, area)) continue;
            known.winner_area[t] = area;
            known.winner[t] = component;
            known.winner_corner[t] = ((u32)box.y0 << 16) | (u32)box.x0;
            known.largest[t] = overlap;
        }
    }

    // Records the boxes of an arc at the levels bottom...top - 1, all lanes together; the box becomes the lowest one.
    // Eight lanes look ahead on each side of the box: left, top, right, bottom.
    __device__ void walk(u32 component, State &box, int bottom) const {
        if (box.top <= bottom) return;
        const int lane = threadIdx.x & 31, side = lane >> 3, ahead = (lane & 7) + 1;
        const u8 *lines = maxima + (size_t)component * span + (side & 1 ? columns : 0);
        const int end = side & 1 ? image.height : image.width;
        if (largest && box.top > contested) measure(component, max_of(bottom, contested));
        int t = box.top - 1;
        while (t >= bottom) {
            const int edge = side == 0 ? box.x0 : side == 1 ? box.y0 : side == 2 ? box.x1 : box.y1;
            const int place = side < 2 ? edge - ahead : edge + ahead;
            const int value = place >= 0 && place < end ? lines[place] : 0;
            const u32 stops = __ballot_sync(ALL_LANES, value <= t);
            int steps[4], next = 0;
            bool settled = true;
            for (int which = 0; which < 4; ++which) {
                const u32 stop = (stops >> (8 * which)) & 255u;
                steps[which] = stop ? __ffs(stop) - 1 : 8;
                settled = settled && stop;
                next = max_of(next, __shfl_sync(ALL_LANES, value, 8 * which + (stop ? steps[which] : 0)));
            }
            box.x0 -= steps[0];
            box.y0 -= steps[1];
            box.x1 += steps[2];
            box.y1 += steps[3];
            if (!settled) continue;
            const int low = max_of(next, bottom);
            record(component, box, low, t);
            t = low - 1;
        }
        box.top = bottom;
    }
};

// Replays the merges of a map, one warp (block of 32) per map, and writes the best IoU at each level into the rows
// row_... of `values` (rows, maps, 256); a row of -1 is not wanted. states: scratch, 5 a class.
extern "C" __global__ void __launch_bounds__(32)
    box_levels(const u8 *maps, const int *selected, int height, int width, int stride, int flipped, const u32 *masks,
               const u32 *bases, const i64 *node_offsets, const u32 *labels, const u32 *class_peaks,
               const u32 *class_counts, const u32 *links, const u32 *merge_levels, const u32 *merges,
               const u32 *merge_counts, const u32 *contested, const i64 *class_offsets, const i64 *area_offsets,
               u8 *maxima, const u32 *seeds, u32 *areas, int *states, const double *truths, const int *truth_offsets,
               int inclusive, int row_all, int row_largest, int row_external, int all_maps, double *values) {
    __shared__ Tables tables;
    const int lane = threadIdx.x, position = blockIdx.x, map = selected[position];
    const i64 offset = node_offsets[position];
    const u32 classes = class_counts[position], count = merge_counts[position];
    if (classes <= (u32)flipped) return;  // nothing but the frame
    const u32 frame = flipped ? 0u : NO_CLASS;
    const int truth = truth_offsets[map];
    const int columns = (width + 3) / 4 * 4, span = columns + (height + 3) / 4 * 4;
    links += offset;
    merge_levels += offset;
    merges += offset;
    class_peaks += offset;
    maxima += class_offsets[position] * span;
    seeds += class_offsets[position] * 2;
    states += class_offsets[position] * 5;
    const bool areas_known = area_offsets[position] >= 0;
    areas += areas_known ? area_offsets[position] * LEVELS : 0;
    const int lowest = areas_known ? (int)contested[position] : LEVELS;
    const Scorer scorer = {image_of(maps, selected, masks, bases, position, height, width, stride, flipped),
                           {labels + offset, links, merge_levels},
                           truths + 4 * (size_t)truth,
                           truth_offsets[map + 1] - truth,
                           inclusive,
                           row_all >= 0,
                           row_largest >= 0,
                           row_external >= 0,
                           lowest,
                           columns,
                           span,
                           maxima,
                           areas,
                           &tables};
    values += (size_t)map * LEVELS;
    for (int t = lane; t < LEVELS; t += 32) {
        const size_t row = (size_t)all_maps * LEVELS;
        tables.all[t] = row_all >= 0 ? values[row * row_all + t] : 0.0;
        tables.external[t] = row_external >= 0 ? values[row * row_external + t] : 0.0;
        tables.largest[t] = row_largest >= 0 ? values[row * row_largest + t] : 0.0;
        tables.winner_area[t] = 0;
    }
    for (u32 index = lane; index < classes; index += 32) {
        int *state = states + 5 * (size_t)index;
        state[0] = state[2] = seeds[2 * index];
        state[1] = state[3] = seeds[2 * index + 1];
        state[4] = class_peaks[index];
    }
    __syncwarp();
    for (u32 index = 0; index < count; ++index) {
        const u32 loser = merges[index], winner = links[loser];
        const int level = merge_levels[loser];
        int *state = states + 5 * (size_t)loser;
        State box = {state[0], state[1], state[2], state[3], state[4]};
        scorer.walk(loser, box, level);
        if (winner == frame) continue;
        state = states + 5 * (size_t)winner;
        State other = {state[0], state[1], state[2], state[3], state[4]};
        scorer.walk(winner, other, level);
        __syncwarp();
        if (lane == 0) {
            state[0] = min_of(box.x0, other.x0);
            state[1] = min_of(box.y0, other.y0);
            state[2] = max_of(box.x1, other.x1);
            state[3] = max_of(box.y1, other.y1);
            state[4] = level;
        }
        u32 *lines = (u32 *)(maxima + (size_t)winner * span);
        const u32 *lost_lines = (const u32 *)(maxima + (size_t)loser * span);
        for (int word = lane; word < span / 4; word += 32) lines[word] = __vmaxu4(lines[word], lost_lines[word]);
        for (int t = lowest / 32 * 32 + lane; t < LEVELS; t += 32)
            areas[(size_t)winner * LEVELS + t] += areas[(size_t)loser * LEVELS + t];
        __syncwarp();
    }
    for (u32 index = 0; index < classes; ++index) {
        if (links[index] != index || index == frame) continue;
        const int *state = states + 5 * (size_t)index;
        State box = {state[0], state[1], state[2], state[3], state[4]};
        scorer.walk(index, box, 0);
    }
    for (int t = lane; t < LEVELS; t += 32) {
        const size_t row = (size_t)all_maps * LEVELS;
        if (row_all >= 0) values[row * row_all + t] = tables.all[t];
        if (row_external >= 0) values[row * row_external + t] = tables.external[t];
        if (row_largest >= 0) values[row * row_largest + t] = tables.largest[t];
    }
}
