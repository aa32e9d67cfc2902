// Row intervals, their graph and its merge tree, for many maps at once: one block (or one warp) per map.
//
// A row is cut into unimodal intervals; at any level t an interval's pixels above t are one run or none. Intervals
// (nodes) that touch are joined below the level of their edge. A node whose edge is as high as its own peak belongs to
// its neighbour for life, which leaves classes, about one for each local maximum; the rest is Kruskal's algorithm.

struct Edge {
    u32 level, first, second;
};

__device__ inline u64 packed(u32 level, u32 first, u32 second) {
    return ((u64)level << 56) | ((u64)first << 28) | second;
}

__device__ inline Edge unpacked(u64 edge) {
    const u64 part = (1ull << 28) - 1;
    Edge result = {(u32)(edge >> 56), (u32)((edge >> 28) & part), (u32)(edge & part)};
    return result;
}

template <typename Score>
__device__ void quantise(const Score *scores, u8 *maps, u32 *maxima, u32 *maximum, int height, int width, int stride) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    scores += (size_t)blockIdx.x * height * width;
    maps += (size_t)blockIdx.x * height * stride;
    if (threadIdx.x == 0) *maximum = 0;
    __syncthreads();
    u32 largest = 0;
    for (int y = warp; y < height; y += warps)
        for (int x = lane; x < stride; x += 32) {
            u32 level = x < width ? (u32)(int)(255.0 * (double)scores[(size_t)y * width + x]) & 255u : 0u;
            maps[(size_t)y * stride + x] = (u8)level;
            largest = level > largest ? level : largest;
        }
    atomicMax(maximum, largest);
    __syncthreads();
    if (threadIdx.x == 0) maxima[blockIdx.x] = *maximum;
}

extern "C" __global__ void quantise_float(const float *scores, u8 *maps, u32 *maxima, int height, int width,
                                          int stride) {
    __shared__ u32 maximum;
    quantise(scores, maps, maxima, &maximum, height, width, stride);
}

extern "C" __global__ void quantise_double(const double *scores, u8 *maps, u32 *maxima, int height, int width,
                                           int stride) {
    __shared__ u32 maximum;
    quantise(scores, maps, maxima, &maximum, height, width, stride);
}

// Cuts each row where it rises after having fallen, 32 pixels of a row at a time. Gives masks, bases and the number of
// intervals of each map (see Image).
extern "C" __global__ void cut_rows(const u8 *maps, const int *selected, int height, int width, int stride, int flipped,
                                    u32 *masks, u32 *bases, u32 *counts) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    const Image image = image_of(maps, selected, masks, bases, blockIdx.x, height, width, stride, flipped);
    const int words = image.words;
    masks += (size_t)blockIdx.x * height * words;
    bases += (size_t)blockIdx.x * height * words;
    for (int y = warp; y < height; y += warps) {
        int falling = 0, last = 0;
        u32 before = 0;
        for (int word = 0; word < words; ++word) {
            const int x = 32 * word + lane;
            const int value = x < width ? image.value(y, x) : 0;
            int left = __shfl_up_sync(ALL_LANES, value, 1);
            if (lane == 0) left = word == 0 ? value : last;
            last = __shfl_sync(ALL_LANES, value, 31);
            const u32 rises = __ballot_sync(ALL_LANES, x < width && value > left);
            const u32 falls = __ballot_sync(ALL_LANES, x < width && value < left);
            const u32 earlier = (rises | falls) & ((1u << lane) - 1u);
            const u32 fell = earlier ? (falls >> (31 - __clz(earlier))) & 1u : (u32)falling;
            u32 cuts = __ballot_sync(ALL_LANES, ((rises >> lane) & 1u) && fell);
            if (word == 0) cuts |= 1u;
            if (lane == 0) {
                masks[(size_t)y * words + word] = cuts;
                if (word > 0) bases[(size_t)y * words + word] = before;
            }
            before += __popc(cuts);
            if (rises | falls) falling = (falls >> (31 - __clz(rises | falls))) & 1u;
        }
        if (lane == 0) bases[(size_t)y * words] = before;  // the row's total for now: its first word has none before it
    }
    __syncthreads();
    if (warp == 0) {
        u32 start = 0;
        for (int block = 0; block < height; block += 32) {
            const int y = block + lane;
            const u32 total = y < height ? bases[(size_t)y * words] : 0u;
            u32 sum = total;
            for (int step = 1; step < 32; step *= 2) {
                const u32 other = __shfl_up_sync(ALL_LANES, sum, step);
                if (lane >= step) sum += other;
            }
            if (y < height) bases[(size_t)y * words] = start + sum - total;
            start += __shfl_sync(ALL_LANES, sum, 31);
        }
        if (lane == 0) counts[blockIdx.x] = start;
    }
    __syncthreads();
    for (int index = threadIdx.x; index < height * words; index += blockDim.x)
        if (index % words) bases[index] += bases[index - index % words];
}

struct Graph {
    u32 *peaks, *parents;
    u64 *edges;
    u32 *total;
};

// Joins two nodes below `level`. The end that is not higher than the edge takes the other for its parent, once; by the
// order (peak, number) parents make no cycle. Any further edge is kept.
__device__ void connect(const Graph &graph, u32 first, u32 second, u32 level) {
    if (level == 0) return;
    u32 low = first, high = second;
    u32 low_peak = graph.peaks[low], high_peak = graph.peaks[high];
    if (low_peak > high_peak || (low_peak == high_peak && low > high)) {
        low = second;
        high = first;
        low_peak = high_peak;
    }
    if (level == low_peak && atomicCAS(&graph.parents[low], 0u, high + 1u) == 0u) return;
    graph.edges[atomicAdd(graph.total, 1u)] = packed(level, first, second);
}

// Edges of the intervals of row y: among them, with those of row y + 1, and of the background with the frame.
//
// Diagonal contacts across a cut need no edge of their own. Where a row is cut it rises, from p to a, and its intervals
// are joined below p; so p's diagonal neighbour b, met below min(p, b), is met that high through a too: min(a, b).
__device__ void connect_row(const Graph &graph, const Image &image, u32 nodes, int y) {
    const bool diagonal = !image.flipped, below = y + 1 < image.height;
    const u8 *row = image.pixels + (size_t)y * image.stride;
    const u32 *cuts = image.masks + (size_t)y * image.words;
    const u32 flip = image.flipped ? ~0u : 0u;
    const u32 first = image.row_start(y, nodes);
    u32 upper = first, lower = below ? image.row_start(y + 1, nodes) : 0u;
    int level = 0, left_upper = 0, left_lower = 0;
    for (int word = 0; word < image.words; ++word) {
        u32 upper_cuts = cuts[word], lower_cuts = below ? cuts[image.words + word] : 0u;
        for (int start = 32 * word; start < min_of(32 * word + 32, image.width); start += 4) {
            u32 four_upper = *(const u32 *)(row + start) ^ flip;
            u32 four_lower = below ? *(const u32 *)(row + image.stride + start) ^ flip : 0u;
            for (int x = start; x < min_of(start + 4, image.width); ++x) {
                const int a = four_upper & 255u, b = four_lower & 255u;
                const bool cut_upper = x > 0 && (upper_cuts & 1u), cut_lower = x > 0 && (lower_cuts & 1u);
                if (cut_upper || cut_lower) {
                    connect(graph, upper, lower, level);
                    level = 0;
                }
                level = max_of(level, min_of(a, b));
                if (diagonal && x > 0) {
                    if (!cut_upper) level = max_of(level, min_of(left_upper, b));
                    if (!cut_lower) level = max_of(level, min_of(a, left_lower));
                }
                if (cut_upper) {
                    connect(graph, upper, upper + 1, left_upper);
                    ++upper;
                }
                if (cut_lower) ++lower;
                left_upper = a;
                left_lower = b;
                four_upper >>= 8;
                four_lower >>= 8;
                upper_cuts >>= 1;
                lower_cuts >>= 1;
            }
        }
    }
    connect(graph, upper, lower, level);
    if (!image.flipped) return;
    if (y == 0 || !below) {
        for (u32 node = first; node <= upper; ++node) connect(graph, node, nodes, graph.peaks[node]);
    } else {
        connect(graph, first, nodes, image.value(y, 0));
        connect(graph, upper, nodes, left_upper);
    }
}

// From row intervals to classes and the edges between classes, highest first. Node `nodes` is the frame, class 0 of the
// background. labels (nodes + 1): class of each node, NO_CLASS for those of peak 0; fewer than 3 edges a node.
extern "C" __global__ void __launch_bounds__(256)
    join_intervals(const u8 *maps, const int *selected, int height, int width, int stride, int flipped,
                   const u32 *masks, const u32 *bases, const u32 *counts, const i64 *node_offsets, u32 *peaks,
                   u32 *parents, u32 *labels, u32 *class_peaks, u64 *edges, u64 *sorted, u32 *class_counts,
                   u32 *edge_counts) {
    __shared__ u32 total, classes, places[LEVELS];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    const Image image = image_of(maps, selected, masks, bases, blockIdx.x, height, width, stride, flipped);
    const u32 nodes = counts[blockIdx.x];
    const i64 offset = node_offsets[blockIdx.x];
    peaks += offset;
    parents += offset;
    labels += offset;
    class_peaks += offset;
    edges += 3 * offset;
    sorted += 3 * offset;
    for (u32 node = threadIdx.x; node <= nodes; node += blockDim.x) {
        peaks[node] = node == nodes ? 256u : 0u;
        parents[node] = 0;
    }
    for (int level = threadIdx.x; level < LEVELS; level += blockDim.x) places[level] = 0;
    if (threadIdx.x == 0) {
        total = 0;
        classes = flipped ? 1 : 0;
        class_peaks[0] = 256;
        labels[nodes] = flipped ? 0 : NO_CLASS;
    }
    __syncthreads();
    for (int y = warp; y < height; y += warps)
        for (int x = lane; x < width; x += 32) {
            const int value = image.value(y, x);
            const bool not_after = x == width - 1 || image.value(y, x + 1) < value;
            if (value > 0 && not_after && (x == 0 || image.value(y, x - 1) <= value))
                atomicMax(&peaks[image.node(y, x)], (u32)value);
        }
    __syncthreads();
    const Graph graph = {peaks, parents, edges, &total};
    for (int y = threadIdx.x; y < height; y += blockDim.x) connect_row(graph, image, nodes, y);
    __syncthreads();
    for (u32 node = threadIdx.x; node <= nodes; node += blockDim.x)
        parents[node] = parents[node] ? parents[node] - 1 : node;
    // Pointer jumping. Threads may read a parent before or after its owner moved it up: both are ancestors.
    volatile u32 *ancestors = parents;
    int moved = 1;
    while (__syncthreads_or(moved)) {
        moved = 0;
        for (u32 node = threadIdx.x; node < nodes; node += blockDim.x) {
            const u32 parent = ancestors[node], grandparent = ancestors[parent];
            if (parent != grandparent) {
                ancestors[node] = grandparent;
                moved = 1;
            }
        }
    }
    for (u32 node = threadIdx.x; node < nodes; node += blockDim.x) {
        if (parents[node] != node) continue;
        u32 label = NO_CLASS;
        if (peaks[node] > 0) {
            label = atomicAdd(&classes, 1u);
            class_peaks[label] = peaks[node];
        }
        labels[node] = label;
    }
    __syncthreads();
    for (u32 node = threadIdx.x; node < nodes; node += blockDim.x)
        if (parents[node] != node) labels[node] = labels[parents[node]];
    __syncthreads();
    for (u32 index = threadIdx.x; index < total; index += blockDim.x) {
        const Edge edge = unpacked(edges[index]);
        if (labels[edge.first] != labels[edge.second]) atomicAdd(&places[edge.level], 1u);
    }
    __syncthreads();
    if (warp == 0) {  // counts to first places, highest level first; a lane takes eight levels
        u32 mine = 0;
        for (int step = 0; step < 8; ++step) mine += places[255 - 8 * lane - step];
        u32 sum = mine;
        for (int step = 1; step < 32; step *= 2) {
            const u32 other = __shfl_up_sync(ALL_LANES, sum, step);
            if (lane >= step) sum += other;
        }
        u32 place = sum - mine;
        for (int step = 0; step < 8; ++step) {
            const u32 count = places[255 - 8 * lane - step];
            places[255 - 8 * lane - step] = place;
            place += count;
        }
        if (lane == 31) {
            edge_counts[blockIdx.x] = sum;
            class_counts[blockIdx.x] = classes;
        }
    }
    __syncthreads();
    for (u32 index = threadIdx.x; index < total; index += blockDim.x) {
        const Edge edge = unpacked(edges[index]);
        const u32 first = labels[edge.first], second = labels[edge.second];
        if (first != second) sorted[atomicAdd(&places[edge.level], 1u)] = packed(edge.level, first, second);
    }
}

// Kruskal's algorithm on the classes, one warp per map (the work is sequential: lane 0). links: the class that each
// class was merged into, itself for a root; merge_levels: at which level, 0 for a root; merges: those merged, in order.
// Links are not shortened, so that the component of a class at any level t is found by following links of level above t
// (union by rank keeps the way short). contested: the lowest level at which two components live, 256 if never.
extern "C" __global__ void merge_classes(int positions, int flipped, const i64 *node_offsets, const u32 *class_counts,
                                         const u32 *edge_counts, const u32 *class_peaks, const u64 *sorted, u32 *links,
                                         u32 *merge_levels, u32 *weights, u32 *merges, u32 *merge_counts,
                                         u32 *contested) {
    const int lane = threadIdx.x & 31;
    const int position = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
    if (position >= positions) return;
    const i64 offset = node_offsets[position];
    const u32 classes = class_counts[position], count = edge_counts[position];
    class_peaks += offset;
    links += offset;
    merge_levels += offset;
    weights += offset;  // peak of the component << 8 | rank
    merges += offset;
    sorted += 3 * offset;
    for (u32 index = lane; index < classes; index += 32) {
        links[index] = index;
        merge_levels[index] = 0;
        weights[index] = class_peaks[index] << 8;
    }
    __syncwarp();
    if (lane) return;
    u32 merged = 0, lowest = 256;
    for (u32 index = 0; index < count; ++index) {
        const Edge edge = unpacked(sorted[index]);
        u32 winner = edge.first, loser = edge.second;
        while (links[winner] != winner) winner = links[winner];
        while (links[loser] != loser) loser = links[loser];
        if (winner == loser) continue;
        u32 strong = weights[winner], weak = weights[loser];
        const bool frame_loses = flipped && loser == 0, frame_wins = flipped && winner == 0;
        if (frame_loses || (!frame_wins && (weak & 255u) > (strong & 255u))) {
            u32 other = winner;
            winner = loser;
            loser = other;
            other = strong;
            strong = weak;
            weak = other;
        }
        const u32 strong_peak = strong >> 8, weak_peak = weak >> 8;
        if (strong_peak > edge.level && weak_peak > edge.level) lowest = edge.level;
        const u32 rank = (strong & 255u) + ((strong & 255u) == (weak & 255u) ? 1u : 0u);
        weights[winner] = ((strong_peak > weak_peak ? strong_peak : weak_peak) << 8) | rank;
        links[loser] = winner;
        merge_levels[loser] = edge.level;
        merges[merged++] = loser;
    }
    merge_counts[position] = merged;
    contested[position] = classes - merged > 1 ? 0 : lowest;
}

// Grey-scale hole filling: a pixel takes the level at which its background reaches the frame, if that is higher.
extern "C" __global__ void fill_holes(const u8 *maps, const int *selected, int height, int width, int stride,
                                      const u32 *masks, const u32 *bases, const i64 *node_offsets,
                                      const u32 *class_counts, const u32 *labels, const u32 *links,
                                      const u32 *merge_levels, u8 *filled, u32 *changed) {
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
    const Image image = image_of(maps, selected, masks, bases, blockIdx.x, height, width, stride, 1);
    if (class_counts[blockIdx.x] == 1) {
        if (threadIdx.x == 0) changed[blockIdx.x] = 0;
        return;
    }
    labels += node_offsets[blockIdx.x];
    links += node_offsets[blockIdx.x];
    merge_levels += node_offsets[blockIdx.x];
    filled += (size_t)selected[blockIdx.x] * height * stride;
    int raised = 0;
    for (int y = warp; y < height; y += warps)
        for (int x = lane; x < stride; x += 32) {
            int grey = x < width ? 255 - image.value(y, x) : 0;
            u32 label = x < width ? labels[image.node(y, x)] : 0;
            if (label != 0 && label != NO_CLASS) {
                while (links[label] != 0 && links[label] != label) label = links[label];
                const int opens = links[label] == 0 ? 255 - (int)merge_levels[label] : 255;
                raised |= opens > grey;
                grey = max_of(grey, opens);
            }
            filled[(size_t)y * stride + x] = (u8)grey;
        }
    raised = __syncthreads_or(raised);
    if (threadIdx.x == 0) changed[blockIdx.x] = raised != 0;
}
