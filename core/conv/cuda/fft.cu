// Convolution of planes by FFTs of overlapping tiles (overlap-save), in one kernel.
//
// A block of threads brings two neighbouring tiles of real inputs as real and imaginary parts of
// one, transforms it, multiplies it by the spectrum of the convolution kernel, transforms it back
// and stores the outputs that circular wrap-around does not touch. The tile stays in shared memory.
//
// Passes of the forward transform decimate in frequency, in place, and leave its numbers in the
// order of their reversed digits; the product does not mind, and the inverse undoes one pass after
// the other. A thread has one butterfly of up to RADIX points in registers at a time. The first
// pass reads inputs, the last one writes outputs, and the product happens between the last pass
// forward and the first one back: all without a trip to shared memory.
//
// Defined from outside: TILE_Y and TILE_X, powers of two, the points of a tile; HEIGHT and WIDTH of
// the convolution kernel with its holes; THREADS of a block; RADIX; RESULT, the type of outputs.
#include "planes.cuh"

constexpr int POINTS = TILE_Y * TILE_X;
constexpr int OUT_Y = TILE_Y - HEIGHT + 1, OUT_X = TILE_X - WIDTH + 1;

// Both parts of a tile in shared memory, with gaps so that the points of a butterfly, which lie a
// power of two apart, are in different banks for neighbouring threads.
struct Tile {
    NUMBER *real, *imaginary;
};
constexpr int GAPPED = POINTS + POINTS / RADIX;
__host__ __device__ constexpr int gapped(int point) { return point + point / RADIX; }

__host__ __device__ constexpr int log2_of(int n) { return n > 1 ? 1 + log2_of(n / 2) : 0; }

// The radix of the pass on parts of LENGTH points: all passes about as large as each other.
__host__ __device__ constexpr int radix_of(int length)
{
    const int bits = log2_of(length), most = log2_of(RADIX);
    const int passes = (bits + most - 1) / most;
    return passes == 0 ? 1 : 1 << (bits + passes - 1) / passes;
}

// The parts of exp(-2 pi i k / 16).
__host__ __device__ constexpr NUMBER cosine(int k)
{
    constexpr NUMBER values[5] = {
        (NUMBER)1, (NUMBER)0.92387953251128675613, (NUMBER)0.70710678118654752440,
        (NUMBER)0.38268343236508977173, (NUMBER)0};
    k &= 15;
    return k <= 4 ? values[k] : k <= 8 ? -values[8 - k] : k <= 12 ? -values[k - 8] : values[16 - k];
}
__host__ __device__ constexpr NUMBER minus_sine(int k) { return cosine(k + 4); }

// The discrete Fourier transform of R numbers; number k of the result is at place reversed<R>(k).
template <int R>
__device__ void butterfly(NUMBER *re, NUMBER *im)
{
    if constexpr (R > 1) {
#pragma unroll
        for (int k = 0; k < R / 2; k++) {
            const NUMBER a = re[k] - re[k + R / 2], b = im[k] - im[k + R / 2];
            re[k] += re[k + R / 2];
            im[k] += im[k + R / 2];
            const NUMBER c = cosine(k * (16 / R)), s = minus_sine(k * (16 / R));
            re[k + R / 2] = k == 0 ? a : 4 * k == R ? b : a * c - b * s;
            im[k + R / 2] = k == 0 ? b : 4 * k == R ? -a : a * s + b * c;
        }
        butterfly<R / 2>(re, im);
        butterfly<R / 2>(re + R / 2, im + R / 2);
    }
}

template <int R>
__host__ __device__ constexpr int reversed(int k)
{
    int found = 0;
    for (int bit = 1; bit < R; bit <<= 1)
        found = 2 * found + (k & bit ? 1 : 0);
    return found;
}

// The factors of a butterfly's results, powers of exp(-2 pi i inner / length). Those of powers of
// two are read and the others multiplied from them, so that none is rounded often.
template <int R>
__device__ void factors(
    const NUMBER *__restrict__ roots, int inner, int length, NUMBER *c, NUMBER *s)
{
    c[0] = 1;
    s[0] = 0;
#pragma unroll
    for (int high = 1; high < R; high *= 2) {
        // `roots` are those of the longest axis, real and imaginary parts in turn.
        const int place = inner * high * (LONGEST / length) % LONGEST;
        c[high] = roots[2 * place];
        s[high] = roots[2 * place + 1];
#pragma unroll
        for (int low = 1; low < high; low++) {
            c[high + low] = c[high] * c[low] - s[high] * s[low];
            s[high + low] = c[high] * s[low] + s[high] * c[low];
        }
    }
}

// One pass along an axis of LENGTH points that lie STRIDE apart, on its parts of PART points.
template <int STRIDE, int LENGTH, int PART>
struct Pass {
    static constexpr int R = radix_of(PART);
    static constexpr int APART = PART / R;
    static constexpr int COUNT = POINTS / R;

    // The first point of a butterfly; its others follow APART * STRIDE from each other.
    // Neighbouring butterflies lie side by side.
    static __device__ int first(int index)
    {
        const int across = index % STRIDE, rest = index / STRIDE;
        return rest / APART * (PART * STRIDE) + rest % APART * STRIDE + across;
    }
    static __device__ int inner(int index) { return index / STRIDE % APART; }
    static __device__ int point(int first, int k) { return first + k * (APART * STRIDE); }

    static __device__ void load(const Tile &tile, int at, NUMBER *re, NUMBER *im)
    {
#pragma unroll
        for (int k = 0; k < R; k++) {
            re[k] = tile.real[gapped(point(at, k))];
            im[k] = tile.imaginary[gapped(point(at, k))];
        }
    }

    static __device__ void store(const Tile &tile, int at, const NUMBER *re, const NUMBER *im)
    {
#pragma unroll
        for (int k = 0; k < R; k++) {
            tile.real[gapped(point(at, k))] = re[k];
            tile.imaginary[gapped(point(at, k))] = im[k];
        }
    }

    // Butterfly and factors; results in their order.
    static __device__ void forward(
        const NUMBER *__restrict__ roots, int index, NUMBER *re, NUMBER *im)
    {
        butterfly<R>(re, im);
        NUMBER a[R], b[R];
#pragma unroll
        for (int k = 0; k < R; k++) {
            a[k] = re[reversed<R>(k)];
            b[k] = im[reversed<R>(k)];
        }
        NUMBER c[R], s[R];
        if constexpr (APART > 1)
            factors<R>(roots, inner(index), PART, c, s);
#pragma unroll
        for (int k = 0; k < R; k++) {
            re[k] = APART > 1 && k > 0 ? a[k] * c[k] - b[k] * s[k] : a[k];
            im[k] = APART > 1 && k > 0 ? a[k] * s[k] + b[k] * c[k] : b[k];
        }
    }

    // What undoes it, but for a factor of R. Exchanging the parts inverts a transform.
    static __device__ void back(
        const NUMBER *__restrict__ roots, int index, NUMBER *re, NUMBER *im)
    {
        NUMBER c[R], s[R], a[R], b[R];
        if constexpr (APART > 1)
            factors<R>(roots, inner(index), PART, c, s);
#pragma unroll
        for (int k = 0; k < R; k++) {
            a[k] = APART > 1 && k > 0 ? re[k] * c[k] + im[k] * s[k] : re[k];
            b[k] = APART > 1 && k > 0 ? im[k] * c[k] - re[k] * s[k] : im[k];
        }
        butterfly<R>(b, a);
#pragma unroll
        for (int k = 0; k < R; k++) {
            re[k] = a[reversed<R>(k)];
            im[k] = b[reversed<R>(k)];
        }
    }
};

// Rows come first; a tile of one row has nothing else.
using First = Pass<1, TILE_X, TILE_X>;

// Brings two tiles; the first pass.
template <class Inputs>
__device__ void forward_first(
    const Tile &tile, const NUMBER *__restrict__ roots, const Inputs &inputs)
{
    for (int i = threadIdx.x; i < First::COUNT; i += THREADS) {
        const int at = First::first(i);
        NUMBER re[First::R], im[First::R];
#pragma unroll
        for (int k = 0; k < First::R; k++)
            inputs(First::point(at, k), re[k], im[k]);
        First::forward(roots, i, re, im);
        First::store(tile, at, re, im);
    }
    __syncthreads();
}

// The passes of an axis on parts of PART points and less, but for the first pass of all, and for
// the last one.
template <int STRIDE, int LENGTH, int PART>
__device__ void forward_middle(const Tile &tile, const NUMBER *__restrict__ roots)
{
    constexpr int R = radix_of(PART);
    constexpr bool is_first = STRIDE == 1 && PART == TILE_X;
    constexpr bool is_last = R == PART && (STRIDE > 1 || TILE_Y == 1);
    if constexpr (!is_first && !is_last) {
        using P = Pass<STRIDE, LENGTH, PART>;
        for (int i = threadIdx.x; i < P::COUNT; i += THREADS) {
            NUMBER re[R], im[R];
            const int at = P::first(i);
            P::load(tile, at, re, im);
            P::forward(roots, i, re, im);
            P::store(tile, at, re, im);
        }
        __syncthreads();
    }
    if constexpr (R < PART)
        forward_middle<STRIDE, LENGTH, PART / R>(tile, roots);
}

template <int STRIDE, int LENGTH, int PART>
__device__ void back_middle(const Tile &tile, const NUMBER *__restrict__ roots)
{
    constexpr int R = radix_of(PART);
    constexpr bool is_first = STRIDE == 1 && PART == TILE_X;
    constexpr bool is_last = R == PART && (STRIDE > 1 || TILE_Y == 1);
    if constexpr (R < PART)
        back_middle<STRIDE, LENGTH, PART / R>(tile, roots);
    if constexpr (!is_first && !is_last) {
        using P = Pass<STRIDE, LENGTH, PART>;
        for (int i = threadIdx.x; i < P::COUNT; i += THREADS) {
            NUMBER re[R], im[R];
            const int at = P::first(i);
            P::load(tile, at, re, im);
            P::back(roots, i, re, im);
            P::store(tile, at, re, im);
        }
        __syncthreads();
    }
}

// The last pass forward, on parts of as many points as its radix.
__host__ __device__ constexpr int last_part(int length)
{
    int part = length;
    while (radix_of(part) < part)
        part /= radix_of(part);
    return part;
}
constexpr int LAST_LENGTH = TILE_Y > 1 ? TILE_Y : TILE_X;
using Last = Pass<(TILE_Y > 1 ? TILE_X : 1), LAST_LENGTH, last_part(LAST_LENGTH)>;
static_assert(TILE_Y > 1 || last_part(TILE_X) < TILE_X, "a line takes two passes at least");

// Everything before the last pass.
template <class Inputs>
__device__ void forward_all(
    const Tile &tile, const NUMBER *__restrict__ roots, const Inputs &inputs)
{
    forward_first(tile, roots, inputs);
    forward_middle<1, TILE_X, TILE_X>(tile, roots);
    if constexpr (TILE_Y > 1)
        forward_middle<TILE_X, TILE_Y, TILE_Y>(tile, roots);
}

// A kernel's values, with zeros after them.
struct Weights {
    const NUMBER *__restrict__ w;
    __device__ void operator()(int point, NUMBER &re, NUMBER &im) const
    {
        const int row = point / TILE_X, column = point % TILE_X;
        re = row < HEIGHT && column < WIDTH ? w[row * WIDTH + column] : (NUMBER)0;
        im = 0;
    }
};

// `weights` are `channels` times HEIGHT times WIDTH; a block transforms those of one channel.
// Spectra are in the order in which the last pass leaves them, real and imaginary parts in turn,
// and divided by the number of points, as the inverse transform has to be.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) spectrum(
    const NUMBER *__restrict__ weights, const NUMBER *__restrict__ roots, NUMBER *__restrict__ spectra)
{
    SHARED(NUMBER, memory);
    const Tile tile = {memory, memory + GAPPED};
    forward_all(tile, roots, Weights{weights + (long long)blockIdx.x * (HEIGHT * WIDTH)});
    NUMBER *target = spectra + (long long)blockIdx.x * (2 * POINTS);
    for (int i = threadIdx.x; i < Last::COUNT; i += THREADS) {
        NUMBER re[Last::R], im[Last::R];
        const int at = Last::first(i);
        Last::load(tile, at, re, im);
        Last::forward(roots, i, re, im);
        // Where the product will look for them: neighbouring threads read neighbouring numbers.
#pragma unroll
        for (int k = 0; k < Last::R; k++) {
            target[2 * (k * Last::COUNT + i)] = re[k] / POINTS;
            target[2 * (k * Last::COUNT + i) + 1] = im[k] / POINTS;
        }
    }
}

// Two tiles of a plane, each OUT_Y by OUT_X outputs, as one complex tile.
struct Pair {
    const Planes &p;
    const STORED *__restrict__ source;
    // Of the input in the corner, for both tiles.
    long long row[2], column[2];
    bool both;

    __device__ void operator()(int point, NUMBER &re, NUMBER &im) const
    {
        const int y = point / TILE_X, x = point % TILE_X;
        re = input(p, source, row[0] + y, column[0] + x);
        im = both ? input(p, source, row[1] + y, column[1] + x) : (NUMBER)0;
    }
};

template <class T>
__device__ T rounded(NUMBER value)
{
    // Integers are exact: the planner has proved that the nearest one is right.
    if constexpr ((T)0.5 == (T)0)
        return (T)rint((double)value);
    else
        return (T)value;
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) convolve(
    const STORED *__restrict__ x, const NUMBER *__restrict__ spectra,
    const NUMBER *__restrict__ roots, RESULT *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    SHARED(NUMBER, memory);
    const Tile tile = {memory, memory + GAPPED};
    const Planes p = {
        x_image, x_channel, x_row, x_column, x_rows, x_columns, first_row, first_column,
        images, channels, channels_per_group, rows, columns};
    const int across = (int)((columns + OUT_X - 1) / OUT_X);
    const int tiles = across * (int)((rows + OUT_Y - 1) / OUT_Y);

    for (int plane = blockIdx.y; plane < images * channels; plane += gridDim.y) {
        Pair pair = {p, inputs_of(p, x, plane), {0, 0}, {0, 0}, 2 * (int)blockIdx.x + 1 < tiles};
#pragma unroll
        for (int t = 0; t < 2; t++) {
            pair.row[t] = (2 * (int)blockIdx.x + t) / across * OUT_Y + first_row;
            pair.column[t] = (2 * (int)blockIdx.x + t) % across * OUT_X + first_column;
        }
        // Nobody may read the last plane's tile any more.
        __syncthreads();
        forward_all(tile, roots, pair);

        const NUMBER *own = spectra + (long long)(plane % (int)channels) * (2 * POINTS);
        for (int i = threadIdx.x; i < Last::COUNT; i += THREADS) {
            NUMBER re[Last::R], im[Last::R];
            const int at = Last::first(i);
            Last::load(tile, at, re, im);
            Last::forward(roots, i, re, im);
#pragma unroll
            for (int k = 0; k < Last::R; k++) {
                const NUMBER c = own[2 * (k * Last::COUNT + i)];
                const NUMBER s = own[2 * (k * Last::COUNT + i) + 1];
                const NUMBER a = re[k];
                re[k] = a * c - im[k] * s;
                im[k] = a * s + im[k] * c;
            }
            Last::back(roots, i, re, im);
            Last::store(tile, at, re, im);
        }
        __syncthreads();
        if constexpr (TILE_Y > 1)
            back_middle<TILE_X, TILE_Y, TILE_Y>(tile, roots);
        back_middle<1, TILE_X, TILE_X>(tile, roots);

        RESULT *target = y + plane * (rows * columns);
        for (int i = threadIdx.x; i < First::COUNT; i += THREADS) {
            const int at = First::first(i);
            // Rows that only wrap around are not wanted.
            if (at / TILE_X < HEIGHT - 1)
                continue;
            NUMBER re[First::R], im[First::R];
            First::load(tile, at, re, im);
            First::back(roots, i, re, im);
#pragma unroll
            for (int k = 0; k < First::R; k++) {
                const int point = First::point(at, k);
                if (point % TILE_X < WIDTH - 1)
                    continue;
#pragma unroll
                for (int t = 0; t < 2; t++) {
                    const long long row = pair.row[t] - first_row + point / TILE_X - (HEIGHT - 1);
                    const long long column =
                        pair.column[t] - first_column + point % TILE_X - (WIDTH - 1);
                    if ((t == 0 || pair.both) && row < rows && column < columns)
                        target[row * columns + column] = rounded<RESULT>(t ? im[k] : re[k]);
                }
            }
        }
    }
}
