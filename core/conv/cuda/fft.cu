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
// A transform spreads NaN, infinity and overflows over its tile. So a block that brings such numbers,
// or whose convolution kernel has them, sums its outputs as they are defined: nobody has to ask the
// device before.
//
// Defined from outside: TILE_Y and TILE_X, powers of two, the points of a tile; HEIGHT and WIDTH of
// the convolution kernel with its holes; APART_Y and APART_X, how far its values are from each other;
// THREADS of a block; RADIX.
#include "planes.cuh"

constexpr int POINTS = TILE_Y * TILE_X;
constexpr int OUT_Y = TILE_Y - HEIGHT + 1, OUT_X = TILE_X - WIDTH + 1;

__host__ __device__ constexpr int log2_of(int n) { return n > 1 ? 1 + log2_of(n / 2) : 0; }

// The radix of the pass on parts of LENGTH points: all passes about as large as each other.
__host__ __device__ constexpr int radix_of(int length)
{
    const int bits = log2_of(length), most = log2_of(RADIX);
    const int passes = (bits + most - 1) / most;
    return passes == 0 ? 1 : 1 << (bits + passes - 1) / passes;
}

// Both parts of a tile in shared memory.
struct Tile {
    NUMBER *real, *imaginary;
};

// Where a point lies: in the same row of banks, but in such an order that the points which threads of
// a warp want at a time are all in different banks. These points differ in bits above and below those
// of a butterfly, of which there are `log2_of(RADIX)` or one less; so the bits above are brought down
// by as many. The place of two points' exclusive or is that of their places.
__host__ __device__ constexpr int place_of(int point)
{
    constexpr int BITS = log2_of(RADIX), BANKS = 128 / sizeof(NUMBER);
    return point ^ ((point >> BITS ^ point >> (BITS - 1)) & (BANKS - 1));
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

// As spectra and roots are kept in a device's memory.
struct __align__(2 * sizeof(NUMBER)) Complex {
    NUMBER real, imaginary;
};

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
    const Complex *__restrict__ roots, int inner, int length, NUMBER *c, NUMBER *s)
{
    c[0] = 1;
    s[0] = 0;
#pragma unroll
    for (int high = 1; high < R; high *= 2) {
        // `roots` are those of the longest axis.
        const Complex root = roots[inner * high * (LONGEST / length) % LONGEST];
        c[high] = root.real;
        s[high] = root.imaginary;
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

    // Where point `k` of a butterfly lies whose first one is at `place`. What only changes the row of
    // banks is added, which costs nothing.
    static __device__ int place(int place, int k)
    {
        constexpr int BANKS = 128 / sizeof(NUMBER);
        const int distance = place_of(k * (APART * STRIDE));
        return (place ^ (distance & (BANKS - 1))) + (distance & ~(BANKS - 1));
    }

    static __device__ void load(const Tile &tile, int first, NUMBER *re, NUMBER *im)
    {
        const int at = place_of(first);
#pragma unroll
        for (int k = 0; k < R; k++) {
            re[k] = number_at(tile.real + place(at, k));
            im[k] = number_at(tile.imaginary + place(at, k));
        }
    }

    static __device__ void store(const Tile &tile, int first, const NUMBER *re, const NUMBER *im)
    {
        const int at = place_of(first);
#pragma unroll
        for (int k = 0; k < R; k++) {
            put_number(tile.real + place(at, k), re[k]);
            put_number(tile.imaginary + place(at, k), im[k]);
        }
    }

    // Butterfly and factors; results in their order.
    static __device__ void forward(
        const Complex *__restrict__ roots, int index, NUMBER *re, NUMBER *im)
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
        const Complex *__restrict__ roots, int index, NUMBER *re, NUMBER *im)
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

// Columns come first, so that neighbouring threads read and write neighbouring numbers of a picture.
// A tile of one row has nothing but its row.
constexpr int FIRST_STRIDE = TILE_Y > 1 ? TILE_X : 1;
constexpr int FIRST_LENGTH = TILE_Y > 1 ? TILE_Y : TILE_X;
using First = Pass<FIRST_STRIDE, FIRST_LENGTH, FIRST_LENGTH>;

// The points of one of its butterflies: the first one's row and column, and how far the others are.
struct Points {
    int row, column;
    static constexpr int COUNT = First::R;
    static constexpr int DOWN = TILE_Y > 1 ? First::APART : 0;
    static constexpr int RIGHT = TILE_Y > 1 ? 0 : First::APART;
};
__device__ Points points_from(int first) { return {first / TILE_X, first % TILE_X}; }

// Brings two tiles; the first pass. Returns whether transforms would spoil them.
template <class Inputs>
__device__ bool forward_first(
    const Tile &tile, const Complex *__restrict__ roots, Inputs &inputs)
{
    for (int i = threadIdx.x; i < First::COUNT; i += THREADS) {
        const int at = First::first(i);
        NUMBER re[First::R], im[First::R];
        inputs(points_from(at), re, im);
        First::forward(roots, i, re, im);
        First::store(tile, at, re, im);
    }
    return inputs.spoil();
}

// The passes of an axis on parts of PART points and less, but for the first pass of all, and for
// the last one.
template <int STRIDE, int LENGTH, int PART>
__device__ void forward_middle(const Tile &tile, const Complex *__restrict__ roots)
{
    constexpr int R = radix_of(PART);
    constexpr bool is_first = STRIDE == FIRST_STRIDE && PART == FIRST_LENGTH;
    constexpr bool is_last = R == PART && STRIDE == 1;
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
__device__ void back_middle(const Tile &tile, const Complex *__restrict__ roots)
{
    constexpr int R = radix_of(PART);
    constexpr bool is_first = STRIDE == FIRST_STRIDE && PART == FIRST_LENGTH;
    constexpr bool is_last = R == PART && STRIDE == 1;
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
using Last = Pass<1, TILE_X, last_part(TILE_X)>;
static_assert(TILE_Y > 1 || last_part(TILE_X) < TILE_X, "a line takes two passes at least");

// Everything between the first pass and the last one.
__device__ void forward_inner(const Tile &tile, const Complex *__restrict__ roots)
{
    if constexpr (TILE_Y > 1)
        forward_middle<TILE_X, TILE_Y, TILE_Y>(tile, roots);
    forward_middle<1, TILE_X, TILE_X>(tile, roots);
}

// A kernel's values, with zeros after them.
struct Weights {
    const NUMBER *__restrict__ w;
    NUMBER sum;
    __device__ void operator()(const Points &points, NUMBER *re, NUMBER *im)
    {
#pragma unroll
        for (int k = 0; k < Points::COUNT; k++) {
            const int row = points.row + k * Points::DOWN;
            const int column = points.column + k * Points::RIGHT;
            re[k] = row < HEIGHT && column < WIDTH ? w[row * WIDTH + column] : (NUMBER)0;
            im[k] = 0;
            sum += magnitude(re[k]);
        }
    }
    // All threads meet here, so that they have written what others read next. Kernels of nothing but
    // very small values would lose digits.
    __device__ bool spoil() const
    {
        const bool too_large = __syncthreads_or(!(sum <= TAME));
        const bool is_zero = !__syncthreads_or(sum > 0);
        return too_large || !(is_zero || __syncthreads_or(sum >= 1 / TAME));
    }
};

// `weights` are `channels` times HEIGHT times WIDTH; a block transforms those of one channel.
// Spectra are in the order in which the last pass leaves them, and divided by the number of points, as
// the inverse transform has to be. `spoilt` is whether they are of no use.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) spectrum(
    const NUMBER *__restrict__ weights, const Complex *__restrict__ roots,
    Complex *__restrict__ spectra, int *__restrict__ spoilt)
{
    SHARED(NUMBER, memory);
    const Tile tile = {memory, memory + POINTS};
    Weights own = {weights + (long long)blockIdx.x * (HEIGHT * WIDTH), 0};
    const bool spoil = forward_first(tile, roots, own);
    if (threadIdx.x == 0)
        spoilt[blockIdx.x] = spoil;
    forward_inner(tile, roots);
    Complex *target = spectra + (long long)blockIdx.x * POINTS;
    for (int i = threadIdx.x; i < Last::COUNT; i += THREADS) {
        NUMBER re[Last::R], im[Last::R];
        const int at = Last::first(i);
        Last::load(tile, at, re, im);
        Last::forward(roots, i, re, im);
        // Where the product will look for them: neighbouring threads read neighbouring numbers.
#pragma unroll
        for (int k = 0; k < Last::R; k++)
            target[k * Last::COUNT + i] = {re[k] / POINTS, im[k] / POINTS};
    }
}

// A tile in a plane of a device's memory: what exists of it, its corner, and how far rows and columns
// are from each other.
template <class T>
struct Place {
    Part part;
    T *corner;
    long long row, column;

    __device__ T *at(const Points &points) const
    {
        return corner + points.row * row + points.column * column;
    }
    __device__ long long step() const { return Points::DOWN * row + Points::RIGHT * column; }
    __device__ bool has(const Points &points, int k) const
    {
        return part.has(points.row + k * Points::DOWN, points.column + k * Points::RIGHT);
    }
};

// The corner of one of a block's two tiles among the outputs, and whether there is one.
struct Corner {
    long long row, column;
    bool exists;
};
__device__ Corner corner_of(const Planes &p, int t)
{
    const int across = (int)((p.columns + OUT_X - 1) / OUT_X);
    const int tiles = across * (int)((p.rows + OUT_Y - 1) / OUT_Y);
    const int number = 2 * (int)blockIdx.x + t;
    return {
        (long long)(number / across) * OUT_Y, (long long)(number % across) * OUT_X,
        number < tiles};
}

__device__ Place<const STORED> inputs_at(
    const Planes &p, const STORED *__restrict__ x, int plane, int t)
{
    const Corner corner = corner_of(p, t);
    const long long top = corner.row + p.first_row, left = corner.column + p.first_column;
    return {
        {clamped(-top, TILE_Y), corner.exists ? clamped(p.x_rows - top, TILE_Y) : 0,
         clamped(-left, TILE_X), clamped(p.x_columns - left, TILE_X)},
        inputs_of(p, x, plane) + top * p.x_row + left * p.x_column, p.x_row, p.x_column};
}

// The first rows and columns of a tile are those that wrap around.
__device__ Place<RESULT> outputs_at(const Planes &p, RESULT *__restrict__ y, int plane, int t)
{
    const Corner corner = corner_of(p, t);
    const int bottom = clamped(p.rows - corner.row, OUT_Y) + HEIGHT - 1;
    return {
        {HEIGHT - 1, corner.exists ? bottom : 0,
         WIDTH - 1, clamped(p.columns - corner.column, OUT_X) + WIDTH - 1},
        y + (plane * p.rows + corner.row - (HEIGHT - 1)) * p.columns + corner.column - (WIDTH - 1),
        p.columns, 1};
}

// Two tiles as real and imaginary parts of one. Where ALL inputs exist, nothing is asked of each.
struct Pair {
    Place<const STORED> a, b;
    bool all;
    NUMBER sum;

    template <bool ALL>
    __device__ void read(const Points &points, NUMBER *re, NUMBER *im)
    {
        const STORED *real = a.at(points), *imaginary = b.at(points);
#pragma unroll
        for (int k = 0; k < Points::COUNT; k++) {
            re[k] = ALL || a.has(points, k) ? number(*real) : (NUMBER)0;
            im[k] = ALL || b.has(points, k) ? number(*imaginary) : (NUMBER)0;
            real += a.step();
            imaginary += b.step();
            if constexpr (!IS_INTEGER<STORED>)
                sum += magnitude(re[k]) + magnitude(im[k]);
        }
    }
    __device__ void operator()(const Points &points, NUMBER *re, NUMBER *im)
    {
        if (all)
            read<true>(points, re, im);
        else
            read<false>(points, re, im);
    }
    __device__ bool spoil() const { return __syncthreads_or(!(sum <= TAME)); }
};

// The outputs of a tile as they are defined: products of all values of the kernel, those of its holes
// not, with the inputs that exist.
__device__ void sum_directly(
    const Place<const STORED> &from, const Place<RESULT> &to, const NUMBER *__restrict__ weights)
{
#pragma unroll 1
    for (int i = threadIdx.x; i < OUT_Y * OUT_X; i += THREADS) {
        const int row = i / OUT_X + HEIGHT - 1, column = i % OUT_X + WIDTH - 1;
        if (!to.part.has(row, column))
            continue;
        NUMBER sum = 0;
#pragma unroll 1
        for (int a = 0; a < HEIGHT; a += APART_Y) {
            const STORED *line = from.corner + (row - a) * from.row;
            NUMBER of_line = 0;
#pragma unroll 1
            for (int b = 0; b < WIDTH; b += APART_X)
                if (from.part.has(row - a, column - b))
                    of_line += weights[a * WIDTH + b] * number(line[(column - b) * from.column]);
            sum += of_line;
        }
        to.corner[row * to.row + column * to.column] = rounded<RESULT>(sum);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS) convolve(
    const STORED *__restrict__ x, const NUMBER *__restrict__ weights,
    const Complex *__restrict__ spectra, const int *__restrict__ spoilt,
    const Complex *__restrict__ roots, RESULT *__restrict__ y,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long channels_per_group,
    long long rows, long long columns)
{
    SHARED(NUMBER, memory);
    const Tile tile = {memory, memory + POINTS};
    const Planes p = {
        x_image, x_channel, x_row, x_column, x_rows, x_columns, first_row, first_column,
        images, channels, channels_per_group, rows, columns};

    for (int plane = blockIdx.y; plane < images * channels; plane += gridDim.y) {
        const Place<const STORED> from[2] = {inputs_at(p, x, plane, 0), inputs_at(p, x, plane, 1)};
        const Place<RESULT> to[2] = {outputs_at(p, y, plane, 0), outputs_at(p, y, plane, 1)};
        const bool all = from[0].part.is_all(TILE_Y, TILE_X) && from[1].part.is_all(TILE_Y, TILE_X);
        // Nobody may read the last plane's tile any more.
        __syncthreads();
        Pair pair = {from[0], from[1], all, 0};
        const int channel = plane % (int)channels;
        if (forward_first(tile, roots, pair) || spoilt[channel]) {
#pragma unroll 1
            for (int t = 0; t < 2; t++)
                sum_directly(
                    inputs_at(p, x, plane, t), outputs_at(p, y, plane, t),
                    weights + (long long)channel * (HEIGHT * WIDTH));
            continue;
        }
        forward_inner(tile, roots);

        const Complex *own = spectra + (long long)channel * POINTS;
        for (int i = threadIdx.x; i < Last::COUNT; i += THREADS) {
            NUMBER re[Last::R], im[Last::R];
            const int at = Last::first(i);
            Last::load(tile, at, re, im);
            Last::forward(roots, i, re, im);
#pragma unroll
            for (int k = 0; k < Last::R; k++) {
                const Complex factor = own[k * Last::COUNT + i];
                const NUMBER a = re[k];
                re[k] = a * factor.real - im[k] * factor.imaginary;
                im[k] = a * factor.imaginary + im[k] * factor.real;
            }
            Last::back(roots, i, re, im);
            Last::store(tile, at, re, im);
        }
        __syncthreads();
        back_middle<1, TILE_X, TILE_X>(tile, roots);
        if constexpr (TILE_Y > 1)
            back_middle<TILE_X, TILE_Y, TILE_Y>(tile, roots);

        for (int i = threadIdx.x; i < First::COUNT; i += THREADS) {
            const int at = First::first(i);
            const Points points = points_from(at);
            // Columns that only wrap around are not wanted.
            if (Points::RIGHT == 0 && points.column < WIDTH - 1)
                continue;
            NUMBER re[First::R], im[First::R];
            First::load(tile, at, re, im);
            First::back(roots, i, re, im);
            RESULT *real = to[0].at(points), *imaginary = to[1].at(points);
#pragma unroll
            for (int k = 0; k < First::R; k++) {
                if (to[0].has(points, k))
                    *real = rounded<RESULT>(re[k]);
                if (to[1].has(points, k))
                    *imaginary = rounded<RESULT>(im[k]);
                real += to[0].step();
                imaginary += to[1].step();
            }
        }
    }
}
