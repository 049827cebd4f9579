"""The glossary: each term with one line, its symbol, the function that implements it, and where it comes from.

`python -m tools.glossary_page` writes notebooks/glossary.md from it.

What a source says about a formula is marked as everywhere in the project: stated, figure, code, inferred, or ours.
"""
from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from ..common.contracts import InputError


class Term(NamedTuple):
    """A row of the glossary: name, line, symbol, dotted path below the package, and source.

    `source` begins with a key of `PAPERS`, followed by equation and marks; without a key it is ours.
    """

    name: str
    says: str
    symbol: str
    function: str
    source: str


TERMS = (
    # camera and geometry
    Term("target, source", "the frame whose depth is asked for, and a neighbor that explains it", r"$I_t,\ I_s$",
         "data.Triplet", "godard2019"),
    Term("intrinsics", "focal lengths and principal point in pixels, as a matrix", "$K$", "camera.intrinsics",
         "hartley2004"),
    Term("pixel center", "lies at integers; the image ends half a pixel outside the outer centers", "$(u, v)$",
         "camera.pixel_grid", "ours"),
    Term("depth", "distance along the viewing direction, z, in meters; 0 = none", "$d$", "camera.backproject",
         "hartley2004"),
    Term("disparity", "what the network predicts: inverse depth, squeezed between 0 and 1", "$1/d$",
         "camera.disp_to_depth", "godard2019 [code]"),
    Term("back-projection", "takes a pixel with its depth to the point it shows", r"$X = d\,K^{-1}p$",
         "camera.backproject", "hartley2004"),
    Term("projection", "takes a point to the pixel that shows it", r"$p \sim K X$", "camera.project", "hartley2004"),
    Term("motion, T_source_target", "takes points of the target camera to the source camera; inner names cancel",
         r"$T = [R \mid t]$", "camera.rigid_transform", "hartley2004"),
    Term("axis-angle", "a rotation as a vector: axis times angle", r"$\omega$", "camera.axis_angle_to_matrix",
         "hartley2004"),
    Term("pose", "takes points of a camera to the world; its inverse goes back", r"$T_\mathtt{world\_camera}$",
         "camera.invert_transform", "hartley2004"),
    Term("epipole, homography at infinity", "where a pixel moves if it is near, and where if it is infinitely far",
         r"$K t,\ K R K^{-1}$", "fused.fold_camera", "hartley2004"),
    Term("parallax", "how far a pixel moves because it is near; in proportion to inverse depth", "",
         "warp.source_pixels", "hartley2004"),
    # view synthesis
    Term("warp, view synthesis", "paints the target with the colors of a source, by depth and motion",
         r"$I_{s \to t}$", "warp.warp", "zhou2017"),
    Term("valid pixel", "lies in front of the source camera and inside its frame", "", "warp.inside", "ours"),
    Term("occlusion", "something nearer hides the point in the source", "", "warp.occluded", "ours"),
    Term("plane sweep", "the error of every pixel over depth, one plane at a time", "", "course.demos.depth_sweep",
         "collins1996"),
    Term("scale ambiguity", "depth and translation times one factor change no image; so the median decides", "$s$",
         "metrics.median_scale", "zhou2017"),
    # the photometric loss
    Term("photometric error", "how much two images differ at a pixel, in structure and color", "$pe$",
         "losses.photometric_error", "godard2019"),
    Term("SSIM", "similarity of local means, variances and covariance", r"$\mathrm{SSIM}$", "losses.ssim_distance",
         "wang2004 eq. 13; window and constants [code]"),
    Term("minimum reprojection", "per pixel, the source that explains it best counts", r"$\min_s pe$",
         "losses.combine_sources", "godard2019 eq. 4"),
    Term("automask", "leaves out pixels that the unmoved source explains at least as well", r"$\mu$",
         "losses.automask", "godard2019"),
    Term("edge-aware smoothness", "disparity may jump where the image does", "$L_s$", "losses.smoothness_loss",
         "godard2019 eq. 3"),
    Term("self-supervised loss", "what teaches depth and motion without labels, over all scales", "$L$",
         "losses.self_supervised_loss", "godard2019"),
    Term("direct alignment", "improves a motion by least squares on the images themselves", "",
         "alignment.align_motion", "wang2018; equations ours"),
    # failures
    Term("hole", "a thing that moves along with the camera, taken for far", r"$d'$", "course.museum.apparent_depth",
         "godard2019; formula ours"),
    Term("texture copy", "steps of depth where only the paint changes", "", "course.museum.refined_depth", "ours"),
    Term("scale drift", "every frame in a unit of its own, which wanders", "$s_k$", "course.museum.scale_ratio",
         "bian2019"),
    Term("collapse", "depth or motion that has become constant, where no gradient brings it back", "",
         "training.run.diagnose", "ours"),
    # semantics
    Term("trainId", "number of a Cityscapes class, 0 to 18; 255 = none", "$S$", "labels.colorize_labels", "cordts2016"),
    Term("group of classes", "classes with a purpose, such as movable, thin, foreground", "", "labels.group_mask",
         "semdepth [measured] for the foreground; others ours"),
    Term("label border", "both pixels of neighbors whose classes differ", "", "labels.label_borders", "ours"),
    Term("semantic branch", "a second decoder on the encoder of the depth network, which predicts classes",
         r"$\hat S$", "semantics.SemanticDecoder", "seedepth [figure]; skip connections [inferred]"),
    Term("semantic loss", "cross-entropy of predicted and given classes", "$L_M$", "semantics.semantic_loss",
         "semdepth [figure], whose symbol this is; seedepth [figure]; binary or all classes [inferred]"),
    Term("segmenter", "a network of its own for classes, trained first and frozen", "", "semantics.Segmenter",
         "lin2017; ours"),
    Term("semantic-guided attention", "pixels that mean alike lend each other depth features", "$A$",
         "semantics.SemanticGuidedAttention", "seedepth [stated, figure]; equations [inferred] after vaswani2017"),
    Term("multi-level attention", "attention at the coarse levels, concatenation at the fine ones", "",
         "semantics.MultiLevelAttention", "seedepth [figure]"),
    Term("SSFA, SSFM", "a label map scales and shifts the depth feature, pixel by pixel", r"$\gamma,\ \beta$",
         "semantics.SSFA", "semdepth [stated, figure]; equations [inferred] after park2019"),
    Term("class modulation", "one scale and one shift for each class, at full resolution", "",
         "semantics.ClassModulation", "ours"),
    Term("SEEM", "features of points on semantic edges are enhanced and put back", "", "borders.SEEM",
         "seedepth [stated, figure]; point network [inferred] after kirillov2020"),
    Term("ranking loss", "across a mask's border depths differ, inside a mask they agree", "$L_{SR}$",
         "borders.ranking_loss", "semdepth [figure]; sampling [inferred] after xian2020"),
    Term("certainty", "how sure the predicted classes are of a pixel's side; weighs the ranking loss", "$q$",
         "borders.point_certainty", "semdepth [stated]; formula [inferred]"),
    Term("label noise", "errors as a segmenter makes them, with a seeded strength", "", "street.corrupt_labels",
         "ours"),
    # measuring
    Term("abs_rel, sq_rel, rmse, rmse_log, a1", "the field's depth errors, image by image", "",
         "metrics.depth_errors", "eigen2014"),
    Term("crop", "the part of the image that is judged", "", "metrics.crop_mask", "garg2016"),
    Term("border band", "pixels close to a label border", "", "metrics.border_band", "ours"),
    Term("discontinuity", "a jump of the true depth, with a near and a far side", "", "metrics.discontinuity_sides",
         "ours"),
    Term("fattening, shrinking", "far-side pixels that took the object's depth; near-side pixels that lost it", "",
         "metrics.fattening", "ours"),
    Term("edge F, boundary error", "whether predicted depth edges lie where true ones do", "",
         "metrics.edge_agreement", "koch2018; edge detector ours"),
    Term("thin things", "poles, signs, lights, people and two-wheelers nearer than 40 m", "",
         "metrics.thin_structures", "ours"),
    Term("IoU", "overlap of a predicted with the true class, over their union", "", "metrics.class_iou", "cordts2016"),
    Term("border F1", "how well predicted label borders lie on true ones", "", "metrics.border_f1", "csurka2013"),
    Term("snippet ATE", "position error of short runs of frames, each fitted in scale", "", "metrics.snippet_ate",
         "zhou2017"),
    Term("trajectory alignment", "the best rigid motion, and scale, of one path onto another", "",
         "metrics.align_trajectory", "umeyama1991"),
    Term("segment error", "drift of a path over 100 to 800 m", r"$t_\mathrm{err},\ r_\mathrm{err}$",
         "metrics.kitti_segment_errors", "geiger2012"),
    Term("mirror blending", "the prediction averaged with that of the mirrored image", "",
         "evaluation.prediction.blend_flipped", "godard2017"),
    Term("cluster bootstrap", "how sure a difference is, when images of one scene are alike", "",
         "evaluation.significance.paired_bootstrap", "owen2007"),
    Term("trivial predictors", "the median of the training depth, everywhere or pixel by pixel", "",
         "evaluation.baselines.pixel_median_baseline", "ours"),
    Term("variant", "the method as a set of switches", "", "variants.find_variant", "ours"),
    Term("preset", "how much is rendered and trained: quick, lesson, paper", "", "presets.find_preset", "ours"),
)

PAPERS = {
    "bian2019": "Bian et al. Unsupervised scale-consistent depth and ego-motion learning from monocular video "
                "(SC-SfMLearner). NeurIPS 2019.",
    "collins1996": "Collins. A space-sweep approach to true multi-image matching. CVPR 1996.",
    "cordts2016": "Cordts et al. The Cityscapes dataset for semantic urban scene understanding. CVPR 2016.",
    "csurka2013": "Csurka, Larlus, Perronnin. What is a good evaluation measure for semantic segmentation? BMVC 2013.",
    "eigen2014": "Eigen, Puhrsch, Fergus. Depth map prediction from a single image using a multi-scale deep network. "
                 "NeurIPS 2014.",
    "garg2016": "Garg et al. Unsupervised CNN for single view depth estimation: geometry to the rescue. ECCV 2016.",
    "geiger2012": "Geiger, Lenz, Urtasun. Are we ready for autonomous driving? The KITTI vision benchmark suite. "
                  "CVPR 2012.",
    "godard2017": "Godard, Mac Aodha, Brostow. Unsupervised monocular depth estimation with left-right consistency. "
                  "CVPR 2017.",
    "godard2019": "Godard et al. Digging into self-supervised monocular depth estimation (Monodepth2). ICCV 2019.",
    "hartley2004": "Hartley, Zisserman. Multiple view geometry in computer vision. 2nd edition, 2004.",
    "kirillov2020": "Kirillov et al. PointRend: image segmentation as rendering. CVPR 2020.",
    "koch2018": "Koch et al. Evaluation of CNN-based single-image depth estimation methods. ECCV workshops 2018.",
    "lin2017": "Lin et al. Feature pyramid networks for object detection. CVPR 2017.",
    "owen2007": "Owen. The pigeonhole bootstrap. Annals of Applied Statistics 1(2), 2007.",
    "park2019": "Park et al. Semantic image synthesis with spatially-adaptive normalization (SPADE). CVPR 2019.",
    "seedepth": "Li et al., called SEEDepth here. arXiv 2012.08048, 2020.",
    "semdepth": "Li et al. Learning depth via leveraging semantics, called SemDepth here. arXiv 2102.06685; Pattern "
                "Recognition 137, 109297, 2023.",
    "umeyama1991": "Umeyama. Least-squares estimation of transformation parameters between two point patterns. IEEE "
                   "TPAMI 13(4), 1991.",
    "vaswani2017": "Vaswani et al. Attention is all you need. NeurIPS 2017.",
    "wang2004": "Wang et al. Image quality assessment: from error visibility to structural similarity. IEEE TIP 13(4), "
                "2004.",
    "wang2018": "Wang et al. Learning depth from monocular videos using direct methods (DDVO). CVPR 2018.",
    "xian2020": "Xian et al. Structure-guided ranking loss for single image depth prediction. CVPR 2020.",
    "zhou2017": "Zhou et al. Unsupervised learning of depth and ego-motion from video (SfMLearner). CVPR 2017.",
}


def find_function(path: str) -> object:
    """Return what a dotted path below the package names.

    Raises:
        InputError: if there is no such thing.
    """
    module, *names = path.split(".")
    try:
        found = import_module(f"semdepth_lite.{module}")
        for name in names:
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise InputError(f"the glossary names semdepth_lite.{path}, which does not exist ({error}); correct the "
                         "term.") from error
    return found


def papers_of(term: Term) -> list[str]:
    """List the keys of the papers that a term's source names."""
    return [key for key in PAPERS if key in term.source]
