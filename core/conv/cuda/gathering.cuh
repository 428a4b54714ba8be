// The matrix of shifted inputs of a sum over channels, which is never made: where its numbers lie.
//
// Defined before: `numbers.cuh`; TAPS_0 to TAPS_2, the kernel's size along planes, rows and columns;
// CHANNELS_FIRST, whether the sum goes through DEPTH channels of a tap at a time, so that where they
// lie is found once for all of them, or through all taps of a channel. Of DEPTH places of the sum a
// thread gathers GATHERED, which are STEP apart.
constexpr int TAPS = TAPS_0 * TAPS_1 * TAPS_2;

// Distances are counted in numbers. `start` are the places of the inputs that the first tap of the
// first output meets.
struct Problem {
    long long x_image, x_channel, x_0, x_1, x_2;
    long long size_0, size_1, size_2, start_0, start_1, start_2;
    long long stride_0, stride_1, stride_2, dilation_0, dilation_1, dilation_2;
    long long images, group_inputs, group_outputs, groups, out_0, out_1, out_2;
    long long parts;
};

// Where the inputs of an output begin. Within an image, places are counted in 32 bits.
struct Corner {
    const STORED *x;
    int at[3];
    bool exists;
};

__device__ bool is_inside(long long at, long long size) { return at >= 0 && at < size; }

__device__ Corner corner_of(const Problem &p, const STORED *x, int group, long long column)
{
    const int in_row = (int)p.out_2, in_plane = in_row * (int)p.out_1;
    const int in_image = in_plane * (int)p.out_0;
    const int image = (int)(column / in_image), rest = (int)(column % in_image);
    const long long at_0 = rest / in_plane * p.stride_0 + p.start_0;
    const long long at_1 = rest % in_plane / in_row * p.stride_1 + p.start_1;
    const long long at_2 = rest % in_row * p.stride_2 + p.start_2;
    // Along axes with one tap nothing changes any more.
    const bool exists = image < p.images && (TAPS_0 > 1 || is_inside(at_0, p.size_0)) &&
                        (TAPS_1 > 1 || is_inside(at_1, p.size_1)) &&
                        (TAPS_2 > 1 || is_inside(at_2, p.size_2));
    const STORED *place = x + (exists ? image : 0) * p.x_image + group * p.group_inputs * p.x_channel;
    return {
        place + at_0 * p.x_0 + at_1 * p.x_1 + at_2 * p.x_2, {(int)at_0, (int)at_1, (int)at_2}, exists};
}

// How far from its corner a channel's input lies that a tap takes for an output, and whether there
// is one.
struct Found {
    int place;
    bool exists;
};
__device__ Found found(const Problem &p, const Corner &corner, int channel, int tap)
{
    const int a = tap / (TAPS_1 * TAPS_2) * (int)p.dilation_0;
    const int b = tap / TAPS_2 % TAPS_1 * (int)p.dilation_1;
    const int c = tap % TAPS_2 * (int)p.dilation_2;
    // A negative place is a very large one without a sign.
    const bool exists = corner.exists &&
                        (TAPS_0 == 1 || (unsigned)(corner.at[0] + a) < (unsigned)p.size_0) &&
                        (TAPS_1 == 1 || (unsigned)(corner.at[1] + b) < (unsigned)p.size_1) &&
                        (TAPS_2 == 1 || (unsigned)(corner.at[2] + c) < (unsigned)p.size_2);
    return {channel * (int)p.x_channel + a * (int)p.x_0 + b * (int)p.x_1 + c * (int)p.x_2, exists};
}

// Gathers the inputs of a thread's column for DEPTH places of the sum after the other, those from
// `first` on that are its own.
struct Gathering {
    const Problem &p;
    const Corner corner;
    const int first;
    // Where channels come first: the next one, and what the tap found for all of them.
    int channel, tap;
    const STORED *place;
    bool exists;

    __device__ void begin(int from)
    {
        channel = from % (int)p.group_inputs;
        tap = from / (int)p.group_inputs;
        locate();
    }
    __device__ void locate()
    {
        const Found at = found(p, corner, channel + first, tap);
        place = corner.x + at.place;
        exists = at.exists;
    }
    __device__ void step(int k, int end, NUMBER (&inputs)[GATHERED])
    {
#pragma unroll
        for (int i = 0; i < GATHERED; i++)
            if constexpr (CHANNELS_FIRST) {
                inputs[i] = exists ? number(place[i * STEP * p.x_channel]) : (NUMBER)0;
            } else {
                const unsigned at = k + first + i * STEP;
                const Found one = found(p, corner, at / TAPS, at % TAPS);
                inputs[i] =
                    one.exists && at < end ? number(corner.x[one.place]) : (NUMBER)0;
            }
        channel += DEPTH;
        place += DEPTH * p.x_channel;
        if (CHANNELS_FIRST && channel == p.group_inputs) {
            channel = 0;
            tap++;
            locate();
        }
    }
};

// Of an output's sum, the places from `first` to `end` whose inputs exist.
__device__ NUMBER sum_of_existing(
    const Problem &p, const Corner &corner, const NUMBER *__restrict__ weights, int first, int end)
{
    const int inputs = (int)p.group_inputs;
    NUMBER sum = 0;
#pragma unroll 1
    for (int k = first; k < end; k++) {
        const int channel = CHANNELS_FIRST ? k % inputs : k / TAPS;
        const Found one = found(p, corner, channel, CHANNELS_FIRST ? k / inputs : k % TAPS);
        if (one.exists)
            sum += weights[k] * number(corner.x[one.place]);
    }
    return sum;
}

// Where an output lies in a part.
__device__ long long place_of(const Problem &p, int group, long long row, long long column)
{
    const long long positions = p.out_0 * p.out_1 * p.out_2;
    const long long image = column / positions, position = column % positions;
    return ((image * p.groups + group) * p.group_outputs + row) * positions + position;
}
