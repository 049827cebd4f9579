"""Exercises of lesson 01: from pixels to points, intrinsics of a resized image, the motion between two cameras."""
from __future__ import annotations

import torch

from ... import camera
from .exercise import Case, Exercise, Mistake

LESSON = "01_street_and_camera"


def random_intrinsics(count: int, height: int, width: int) -> torch.Tensor:
    """Return (B, 3, 3) intrinsics with unequal focal lengths and a principal point off the middle."""
    K = torch.eye(3).repeat(count, 1, 1)
    K[:, 0, 0], K[:, 1, 1] = width * (0.8 + torch.rand(count)), height * (2.0 + torch.rand(count))
    K[:, 0, 2], K[:, 1, 2] = width * (0.3 + 0.3 * torch.rand(count)), height * (0.3 + 0.3 * torch.rand(count))
    return K


def random_motion(count: int, angle: float = 0.5, length: float = 1.0) -> torch.Tensor:
    """Return (B, 4, 4) rigid motions with rotations and translations that are not small."""
    return camera.rigid_transform(angle * (torch.rand(count, 3) - 0.5), length * (torch.rand(count, 3) - 0.5))


def random_size() -> tuple[int, int]:
    """Return a height and a larger, even width."""
    return int(torch.randint(4, 8, ())), 2 * int(torch.randint(5, 9, ()))


def _backproject_cases() -> list[Case]:
    cases = []
    for count in (1, 2, 2):
        height, width = random_size()
        depth = 1 + 30 * torch.rand(count, 1, height, width)
        cases.append(Case((depth, random_intrinsics(count, height, width))))
    return cases


def _lifted(depth: torch.Tensor, matrix: torch.Tensor, shift: float = 0.0, swap: bool = False) -> torch.Tensor:
    """Back-project with a matrix in place of K^-1, shifted centers, or rows taken for columns."""
    u, v = camera.pixel_grid(depth.shape[-2], depth.shape[-1], depth)
    u, v = torch.broadcast_tensors(u + shift, v + shift)
    pixels = torch.stack((v, u, torch.ones_like(u)) if swap else (u, v, torch.ones_like(u)))
    return depth * torch.einsum("bij,jhw->bihw", matrix, pixels)


def _without_center(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    bare = K.clone()
    bare[:, :2, 2] = 0
    return _lifted(depth, torch.linalg.inv(bare))


def _centered(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Back-project with the principal point in the middle of the image."""
    other = K.clone()
    other[:, 0, 2], other[:, 1, 2] = (depth.shape[-1] - 1) / 2, (depth.shape[-2] - 1) / 2
    return _lifted(depth, torch.linalg.inv(other))


def _focal_swapped(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    other = K.clone()
    other[:, 0, 0], other[:, 1, 1] = K[:, 1, 1], K[:, 0, 0]
    return _lifted(depth, torch.linalg.inv(other))


def _times_focal(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    other = K.clone()
    other[:, 0, 0], other[:, 1, 1] = 1 / K[:, 0, 0], 1 / K[:, 1, 1]
    return _lifted(depth, torch.linalg.inv(other))


def _around(depth: torch.Tensor, K: torch.Tensor, center: torch.Tensor) -> torch.Tensor:
    """Back-project with another principal point, (B, 2)."""
    other = K.clone()
    other[:, :2, 2] = center
    return _lifted(depth, torch.linalg.inv(other))


def _without_focal(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    other = K.clone()
    other[:, 0, 0] = other[:, 1, 1] = 1.0
    return _lifted(depth, torch.linalg.inv(other))


def _depth_for_one(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Apply K^-1 to (u, v, d)."""
    pixels = _lifted(torch.ones_like(depth), torch.eye(3).expand_as(K))
    return torch.einsum("bij,bjhw->bihw", torch.linalg.inv(K), torch.cat((pixels[:, :2], depth), 1))


def _from_the_middle(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Lift positions between -1 and 1."""
    height, width = depth.shape[-2:]
    steps = torch.tensor([[2 / (width - 1), 0, -1], [0, 2 / (height - 1), -1], [0, 0, 1]])
    return _lifted(depth, torch.linalg.inv(K) @ steps)


def _grid_reshaped(depth: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
    """Back-project a grid that was made column by column and viewed as if it went row by row."""
    height, width = depth.shape[-2:]
    pixels = _lifted(torch.ones_like(depth), torch.eye(3).expand_as(K)).mT.reshape(len(K), 3, height, width)
    return depth * torch.einsum("bij,bjhw->bihw", torch.linalg.inv(K), pixels)


def _one_focal(depth: torch.Tensor, K: torch.Tensor, row: int) -> torch.Tensor:
    """Back-project with the focal length of one axis for both."""
    other = K.clone()
    other[:, 0, 0] = other[:, 1, 1] = K[:, row, row]
    return _lifted(depth, torch.linalg.inv(other))


BACKPROJECT = Exercise(
    name="backproject", lesson=LESSON, title="Lift every pixel into space", difficulty=2, minutes=10,
    statement="""\
Write the function that undoes the projection: every pixel goes back to the point that it shows,
$X = z\\,K^{-1}(u, v, 1)^\\top$. `depth` is `(B, 1, H, W)` in meters, `K` is `(B, 3, 3)` in pixels; return the
points as `(B, 3, H, W)`. Pixel centers lie at integers. `camera.pixel_grid(H, W, depth)` gives you columns `u`
and rows `v`.""",
    stub='''def my_backproject(depth, K):
    height, width = depth.shape[-2:]
    ...  # your lines''',
    hint="""\
Build a tensor of shape `(3, H, W)` that holds $(u, v, 1)$ at each pixel. One `torch.einsum` applies a matrix per
image to it. Depth is $z$, not the length of the ray, so nothing has to be normalized.""",
    solution='''def my_backproject(depth, K):
    height, width = depth.shape[-2:]
    u, v = camera.pixel_grid(height, width, depth)
    pixels = torch.stack(torch.broadcast_tensors(u, v, torch.ones_like(u)))
    return depth * torch.einsum("bij,jhw->bihw", torch.linalg.inv(K), pixels)''',
    teaches="camera.backproject", reference=camera.backproject, cases=_backproject_cases, gradient=0, mistakes=(
        Mistake("K not inverted", lambda depth, K: _lifted(depth, K),
                "this is what K itself does to the pixels; in which direction does K work, and which do you need?"),
        Mistake("width and height swapped", lambda depth, K: _lifted(depth, torch.linalg.inv(K), swap=True),
                "rows and columns have changed places: which of u and v belongs to x?"),
        Mistake("half a pixel", lambda depth, K: _lifted(depth, torch.linalg.inv(K), 0.5),
                "all rays are off by half a pixel; where does the center of the first pixel lie in this project?"),
        Mistake("length of the ray", lambda depth, K: depth * torch.nn.functional.normalize(
            _lifted(torch.ones_like(depth), torch.linalg.inv(K)), dim=1),
                "your points lie at the distance that depth says, measured along the ray; what does depth mean here?"),
        Mistake("z left at 1", lambda depth, K: torch.cat((_lifted(depth, torch.linalg.inv(K))[:, :2], torch.ones_like(
            depth)), 1),
                "x and y are right; all of your points lie 1 m in front of the camera."),
        Mistake("center taken off too late", lambda depth, K: _without_center(depth, K) + (
            torch.linalg.inv(K)[:, :, 2:] * torch.tensor([[1.0], [1.0], [0.0]]))[..., None],
                "you multiply by depth before the principal point is taken off: are brackets missing?"),
        Mistake("times the focal length", _times_focal,
                "you multiply by the focal length; a longer one sees a pixel under a smaller angle."),
        Mistake("divided by depth", lambda depth, K: _lifted(1 / depth, torch.linalg.inv(K)),
                "your points come nearer when depth grows."),
        Mistake("principal point ignored", _without_center,
                "your camera looks along the ray of the pixel (0, 0); where is the middle of the image?"),
        Mistake("middle of the image", lambda depth, K: _centered(depth, K),
                "you put the principal point into the middle of the image; K has one of its own."),
        Mistake("focal lengths swapped", _focal_swapped,
                "x is scaled with the focal length of y, and y with that of x."),
        Mistake("focal length of x for both", lambda depth, K: _one_focal(depth, K, 0),
                "you use the focal length of x for both axes; y has one of its own."),
        Mistake("focal length of y for both", lambda depth, K: _one_focal(depth, K, 1),
                "you use the focal length of y for both axes; x has one of its own."),
        Mistake("half a pixel the other way", lambda depth, K: _lifted(depth, torch.linalg.inv(K), -0.5),
                "all rays are off by half a pixel: u and v count from the center of the first pixel already."),
        Mistake("depth on z alone", lambda depth, K: torch.cat((_lifted(torch.ones_like(depth), torch.linalg.inv(
            K))[:, :2], depth), 1),
                "z is right, and your x and y are those of points 1 m away."),
        Mistake("depth in place of the 1", _depth_for_one,
                "depth stands in place of the 1 alone; all three numbers of a ray grow with it."),
        Mistake("depth added", lambda depth, K: depth + _lifted(torch.ones_like(depth), torch.linalg.inv(K)),
                "you add depth to the ray; a ray is stretched, not shifted."),
        Mistake("principal points swapped", lambda depth, K: _around(depth, K, K[:, :2, 2].flip(1)),
                "the principal point of y is taken off x, and that of x off y."),
        Mistake("principal point added", lambda depth, K: _around(depth, K, -K[:, :2, 2]),
                "you add the principal point where it has to be taken off."),
        Mistake("no focal length", _without_focal,
                "the principal point is taken off, and a focal length is missing: your x and y are still pixels times "
                "meters."),
        Mistake("from -1 to 1", _from_the_middle,
                "your positions run from -1 to 1; K belongs to pixels."),
        Mistake("grid reshaped", _grid_reshaped,
                "your grid runs down the columns first and was then brought to shape: it has to be transposed, or made "
                "with rows first."),
        Mistake("counted from one", lambda depth, K: _lifted(depth, torch.linalg.inv(K), 1.0),
                "your first pixel has the number 1; count from 0.")))


def _resize_cases() -> list[Case]:
    scales = [(0.5, 0.5), *(tuple((0.3 + 2 * torch.rand(2)).tolist()) for _ in range(3))]
    return [Case((random_intrinsics(1, 48, 160)[0], *scale)) for scale in scales]


def _scaled(K: torch.Tensor, scale_x: float, scale_y: float, before: float = 0.5, after: float = 0.5,
            center: bool = True) -> torch.Tensor:
    """Resize intrinsics with (c + before) s - after in place of the rule."""
    changed = K.clone()
    for row, scale in enumerate((scale_x, scale_y)):
        changed[row, row] = K[row, row] * scale
        if center:
            changed[row, 2] = (K[row, 2] + before) * scale - after
    return changed


def _with_focal(K: torch.Tensor, center: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """Take the principal point of one matrix, and scale the focal lengths of another."""
    changed = center.clone()
    changed[0, 0], changed[1, 1] = K[0, 0] * x, K[1, 1] * y
    return changed


RESIZE = Exercise(
    name="resize_intrinsics", lesson=LESSON, title="Let K follow a resized image", difficulty=1, minutes=8,
    statement="""\
An image is resized: its width by the factor `scale_x`, its height by `scale_y`. Return the `(3, 3)` matrix of the
new image. The *edge* of the image stays where it is, and the edge lies half a pixel outside the first center.""",
    stub='''def my_resize_intrinsics(K, scale_x, scale_y):
    ...  # your lines''',
    hint="""\
Go to coordinates that count from the edge, scale there, and come back. `K.clone()` keeps the caller's matrix as
it was.""",
    solution='''def my_resize_intrinsics(K, scale_x, scale_y):
    resized = K.clone()
    for row, scale in ((0, scale_x), (1, scale_y)):
        resized[row, row] = K[row, row] * scale
        resized[row, 2] = (K[row, 2] + 0.5) * scale - 0.5
    return resized''',
    teaches="camera.resize_intrinsics", reference=camera.resize_intrinsics, cases=_resize_cases, mistakes=(
        Mistake("half a pixel forgotten", lambda K, x, y: _scaled(K, x, y, 0, 0),
                "this rule is right for coordinates that count from the edge of the image; ours count from the center "
                "of the first pixel."),
        Mistake("half a pixel the wrong way", lambda K, x, y: _scaled(K, x, y, -0.5, -0.5),
                "you know about the half pixel, but it has the wrong sign: on which side of the first center is the "
                "edge?"),
        Mistake("no way back", lambda K, x, y: _scaled(K, x, y, 0.5, 0),
                "you went to the coordinates of the edge and stayed there."),
        Mistake("principal point kept", lambda K, x, y: _scaled(K, x, y, center=False),
                "the focal lengths follow the image, but the principal point stayed at the old place."),
        Mistake("the whole matrix scaled", lambda K, x, y: torch.tensor([x, y, x]).to(K)[:, None] * K,
                "the third row of K has to stay (0, 0, 1); and c needs more than a factor."),
        Mistake("axes swapped", lambda K, x, y: _scaled(K, y, x),
                "the two factors are exchanged: which row of K belongs to the width?"),
        Mistake("factor of the width for both", lambda K, x, y: _scaled(K, x, x),
                "the factor of the width is used for the height too."),
        Mistake("factor of the height for both", lambda K, x, y: _scaled(K, y, y),
                "the factor of the height is used for the width too."),
        Mistake("everything times the width's factor", lambda K, x, y: K * x,
                "you multiply the whole matrix by one number: its third row has to stay, and the height has a factor "
                "of its own."),
        Mistake("half a pixel alone scaled", lambda K, x, y: _with_focal(K, K + torch.tensor(
            [[0, 0, 0.5 * x - 0.5], [0, 0, 0.5 * y - 0.5], [0, 0, 0]]), x, y),
                "you scale the half pixel, and the principal point itself stays where it was."),
        Mistake("focal lengths kept", lambda K, x, y: _with_focal(K, _scaled(K, x, y), 1.0, 1.0),
                "the principal point is right, but the focal lengths are those of the old image."),
        Mistake("half a pixel after the way back", lambda K, x, y: _scaled(K, x, y, 0, 0.5),
                "you come back from the edge without having gone there."),
        Mistake("half a pixel added at the end", lambda K, x, y: _scaled(K, x, y, 0, -0.5),
                "you only add half a pixel at the end: go to the edge first, then scale, then come back."),
        Mistake("half a pixel added twice", lambda K, x, y: _scaled(K, x, y, 0.5, -0.5),
                "you add half a pixel on the way to the edge, and add it once more on the way back."),
        Mistake("half a pixel taken off twice", lambda K, x, y: _scaled(K, x, y, -0.5, 0.5),
                "you take half a pixel off before and after: one of the two has the wrong sign."),
        Mistake("half a pixel taken off, no way back", lambda K, x, y: _scaled(K, x, y, -0.5, 0),
                "two things: your half pixel has the wrong sign, and after the scaling you do not come back."),
        Mistake("a whole pixel", lambda K, x, y: _scaled(K, x, y, 1.0, 1.0),
                "you go to the edge by a whole pixel; it lies half of one outside the first center."),
        Mistake("half a pixel in the focal lengths too", lambda K, x, y: _scaled(
            K + 0.5 * torch.eye(3), x, y) - 0.5 * torch.eye(3),
                "the principal point is right; a focal length is a distance, not a place, and has no half pixel."),
        Mistake("half a pixel in the focal lengths, no way back", lambda K, x, y: _with_focal(
            K + 0.5 * torch.eye(3), _scaled(K, x, y), x, y),
                "the principal point is right; you add half a pixel to the focal lengths, which are distances."),
        Mistake("half a pixel in the focal lengths alone", lambda K, x, y: _scaled(
            K + 0.5 * torch.eye(3), x, y, 0, 0) - 0.5 * torch.eye(3),
                "the half pixel belongs to the principal point, which is a place; you gave it to the focal lengths."),
        Mistake("principal point the other way", lambda K, x, y: _with_focal(K, _scaled(K, 1 / x, 1 / y), x, y),
                "the focal lengths are right; the principal point was resized the other way."),
        Mistake("focal lengths the other way", lambda K, x, y: _with_focal(K, _scaled(K, x, y), 1 / x, 1 / y),
                "the principal point is right; the focal lengths were resized the other way."),
        Mistake("product in the other order", lambda K, x, y: K @ torch.tensor(
            [[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]]).to(K),
                "the two matrices stand in the wrong order: pixels are resized after K has made them."),
        Mistake("inverse factor", lambda K, x, y: _scaled(K, 1 / x, 1 / y),
                "your K belongs to an image that was resized the other way.")))


def _motion_cases() -> list[Case]:
    return [Case((random_motion(count, 3.0, 8.0), random_motion(count, 3.0, 8.0))) for count in (1, 2, 3)]


def _rigid(R: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    T = torch.eye(4).repeat(len(R), 1, 1)
    T[:, :3, :3], T[:, :3, 3] = R, t
    return T


def _parts(T: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return T[:, :3, :3], T[:, :3, 3]


def _rotation_kept(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    R, _ = _parts(source)
    return _rigid(R, camera.invert_transform(source)[:, :3, 3]) @ target


def _translation_negated(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    R, t = _parts(source)
    return _rigid(R.mT, -t) @ target


def _parts_compared(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    (R_s, t_s), (R_t, t_t) = _parts(source), _parts(target)
    return _rigid(R_s.mT @ R_t, t_t - t_s)


MOTION = Exercise(
    name="relative_motion", lesson=LESSON, title="Find the motion between two cameras", difficulty=2, minutes=8,
    statement="""\
Two poses are given as `(B, 4, 4)` matrices: `T_world_source` and `T_world_target` take points of their camera
into the world. Return `T_source_target`, which takes points of the target camera into the source camera. A general
matrix inverse (`torch.linalg.inv`) is accepted; a rigid motion has a simpler one, and the solution uses that.""",
    stub='''def my_relative_motion(T_world_source, T_world_target):
    ...  # your lines''',
    hint="""\
Write the product so that inner names cancel. The inverse of $x \\mapsto Rx + t$ is found by solving $y = Rx + t$
for $x$; the inverse of a rotation is its transpose.""",
    solution='''def my_relative_motion(T_world_source, T_world_target):
    R, t = T_world_source[:, :3, :3], T_world_source[:, :3, 3:]
    T_source_world = torch.zeros_like(T_world_source)
    T_source_world[:, :3, :3] = R.mT
    T_source_world[:, :3, 3:] = -R.mT @ t
    T_source_world[:, 3, 3] = 1
    return T_source_world @ T_world_target''',
    teaches="camera.invert_transform", cases=_motion_cases,
    reference=lambda source, target: camera.invert_transform(source) @ target, mistakes=(
        Mistake("pose inverted", lambda source, target: camera.invert_transform(target) @ source,
                "this is T_target_source: it goes the other way."),
        Mistake("the other pose inverted", lambda source, target: source @ camera.invert_transform(target),
                "read your product from right to left: a point of the world goes in, and one of the world comes out."),
        Mistake("nothing inverted", lambda source, target: source @ target,
                "the inner names do not cancel: T_world_source times T_world_target."),
        Mistake("wrong order", lambda source, target: target @ camera.invert_transform(source),
                "the right matrices in the wrong order; matrices do not commute, so let the names decide."),
        Mistake("whole matrix transposed", lambda source, target: source.mT @ target,
                "you transposed all of the 4x4 matrix; that inverts a rotation, but not a motion."),
        Mistake("translation only negated", _translation_negated,
                "the rotation of the inverse is right; its translation still speaks the world's directions."),
        Mistake("rotation not transposed", _rotation_kept,
                "the translation of the inverse is right; its rotation turns the wrong way."),
        Mistake("multiplied number by number", lambda source, target: camera.invert_transform(source) * target,
                "* multiplies number by number; one motion after the other is the product of matrices."),
        Mistake("translations added", lambda source, target: _rigid(_parts(source)[0].mT @ _parts(target)[0], (
            _parts(target)[1] + _parts(camera.invert_transform(source))[1])),
                "the rotation is right; before the translations add up, one of them has to be turned."),
        Mistake("difference of the matrices", lambda source, target: target - source,
                "you subtract the matrices; motions follow one another by a product, and are undone by an inverse."),
        Mistake("difference of the matrices, the other way", lambda source, target: source - target,
                "you subtract one matrix from the other, and the wrong way round too; a product with an inverse is "
                "wanted."),
        Mistake("rows cut", lambda source, target: (camera.invert_transform(source) @ target)[:, :3],
                "your motion has three rows; a fourth, (0, 0, 0, 1), belongs to it, or motions cannot be multiplied."),
        Mistake("rotation alone", lambda source, target: (camera.invert_transform(source) @ target)[:, :3, :3],
                "you return the rotation alone; the translation is asked for too."),
        Mistake("last row empty", lambda source, target: _rigid(*_parts(
            camera.invert_transform(source) @ target)) - torch.diag(torch.tensor([0.0, 0.0, 0.0, 1.0])),
                "the first three rows are right; your last row is 0 everywhere, and its last number has to be 1."),
        Mistake("translation turned forward", lambda source, target: _rigid(
            _parts(source)[0].mT, -torch.einsum("bij,bj->bi", *_parts(source))) @ target,
                "the rotation of the inverse is right; its translation is turned by the rotation of the pose itself."),
        Mistake("product inverted", lambda source, target: camera.invert_transform(source @ target),
                "you invert the product of both; only one of the two goes the wrong way."),
        Mistake("both inverted", lambda source, target: camera.invert_transform(source) @ camera.invert_transform(
            target), "you invert both poses; one of them takes points into the world already."),
        Mistake("nothing inverted, other order", lambda source, target: target @ source,
                "nothing is inverted here: T_world_target times T_world_source, and no names cancel."),
        Mistake("sum of the matrices", lambda source, target: camera.invert_transform(source) + target,
                "you add the matrices; one motion after the other is a product."),
        Mistake("both transposed", lambda source, target: source.mT @ target.mT,
                "you transpose both matrices; neither is undone by that, and one of them is wanted as it is."),
        Mistake("parts compared one by one", _parts_compared,
                "the difference of the two positions is right in the world; in whose directions is it wanted?")))

EXERCISES = (BACKPROJECT, RESIZE, MOTION)
