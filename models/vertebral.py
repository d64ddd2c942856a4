"""Disorders of the lower spine from the sagittal shape of pelvis and lumbar column: normal, hernia, spondylolisthesis.

Three angles in degrees (pelvic tilt, sacral slope, lumbar lordosis), the pelvic radius in mm and the grade of slip of the
last lumbar vertebra. The pelvic incidence of the usual table is left out: it is tilt + slope by definition, so that with
it the covariance is singular. Each measurement leans on those before it, as far as they are off their class's means: angles
are von Mises laws around a mean that moves with the earlier angles. That is the geometry of one spine, and the same in
all classes; means and spreads are each class's own. The slip is Student t, since a few slips are enormous (one is 418).

Source: Berthonnaud et al. 2005 (J. Spinal Disorders & Techniques 18) for the chain from pelvis to lordosis; the table of
da Mota and Barreto, UCI Machine Learning Repository 212 (CC BY 4.0). The priors only say how large the measurements are.
"""

from math import radians

import pyro
import pyro.distributions as dist
import torch

from labelppl import Angle, Label, Positive, Real, label_model
from labelppl.distributions import StudentT, VonMises

TILT, SLOPE, LORDOSIS = (
    (radians(17), radians(10)),
    (radians(42), radians(13)),
    (radians(50), radians(17)),
)


@label_model(
    diagnosis=Label("normal", "hernia", "spondylolisthesis"),
    pelvic_tilt=Angle("deg", low=-60, high=90),
    sacral_slope=Angle("deg", low=-30, high=150),
    lumbar_lordosis_angle=Angle("deg", low=-30, high=150),
    pelvic_radius=Positive("mm"),
    spondylolisthesis_grade=Real(),
)
def vertebral(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(3)))
    slope_lean = pyro.sample("slope_lean", dist.Normal(0.0, 0.7))
    lordosis_lean = pyro.sample("lordosis_lean", dist.Normal(0.0, 0.7).expand([2]).to_event(1))
    radius_lean = pyro.sample("radius_lean", dist.Normal(0.0, 6.0).expand([3]).to_event(1))
    grade_lean = pyro.sample("grade_lean", dist.Normal(0.0, 10.0).expand([4]).to_event(1))
    with pyro.plate("class", 3):
        tilt_mean = pyro.sample("tilt_mean", dist.Normal(TILT[0], TILT[1]))
        tilt_sd = pyro.sample("tilt_sd", dist.LogNormal(torch.tensor(0.7 * TILT[1]).log(), 0.5))
        slope_mean = pyro.sample("slope_mean", dist.Normal(SLOPE[0], SLOPE[1]))
        slope_sd = pyro.sample("slope_sd", dist.LogNormal(torch.tensor(0.6 * SLOPE[1]).log(), 0.5))
        lordosis_mean = pyro.sample("lordosis_mean", dist.Normal(LORDOSIS[0], LORDOSIS[1]))
        lordosis_sd = pyro.sample(
            "lordosis_sd", dist.LogNormal(torch.tensor(0.6 * LORDOSIS[1]).log(), 0.5)
        )
        radius_mean = pyro.sample("radius_mean", dist.Normal(120.0, 13.0))
        radius_sd = pyro.sample("radius_sd", dist.LogNormal(2.2, 0.5))
        grade_mean = pyro.sample("grade_mean", dist.Normal(10.0, 30.0))
        grade_sd = pyro.sample("grade_sd", dist.LogNormal(2.2, 0.8))
        grade_df = pyro.sample("grade_df", dist.LogNormal(2.3, 0.7))
    with cases as z:
        y = pyro.sample("diagnosis", dist.Categorical(prevalence))
        pyro.sample("pelvic_tilt", VonMises(tilt_mean[y], tilt_sd[y] ** -2))
        tilt = (z.pelvic_tilt - tilt_mean[y]) / TILT[1]
        slope = slope_mean[y] + SLOPE[1] * slope_lean * tilt
        pyro.sample("sacral_slope", VonMises(slope, slope_sd[y] ** -2))
        slope = (z.sacral_slope - slope_mean[y]) / SLOPE[1]
        lean = lordosis_lean[..., 0] * tilt + lordosis_lean[..., 1] * slope
        lordosis = lordosis_mean[y] + LORDOSIS[1] * lean
        pyro.sample("lumbar_lordosis_angle", VonMises(lordosis, lordosis_sd[y] ** -2))
        lordosis = (z.lumbar_lordosis_angle - lordosis_mean[y]) / LORDOSIS[1]
        lean = radius_lean[..., 0] * tilt + radius_lean[..., 1] * slope
        radius = radius_mean[y] + lean + radius_lean[..., 2] * lordosis
        pyro.sample("pelvic_radius", dist.Normal(radius, radius_sd[y]))
        radius = (z.pelvic_radius - radius_mean[y]) / 13.0
        lean = grade_lean[..., 0] * tilt + grade_lean[..., 1] * slope
        lean = lean + grade_lean[..., 2] * lordosis + grade_lean[..., 3] * radius
        grade = grade_mean[y] + lean
        pyro.sample("spondylolisthesis_grade", StudentT(grade_df[y], grade, grade_sd[y]))
